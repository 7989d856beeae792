"""Runs steps on fixed memory, padded to buckets: what a GPU replays without the host's help.

Steps that fit no bucket, and steps with an adapter that is not in the fixed memory for adapters, go
through the plain runner, on the same pool. On a CPU the same buffers and buckets run unrecorded:
the twin that tests compare.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Sequence as Items

import torch
from torch import Tensor

from fimserve.engine.kv_manager import BlockCopy
from fimserve.engine.launched import BufferedLaunch, Launched
from fimserve.engine.runner import Runner
from fimserve.engine.scheduler import WorkItem
from fimserve.engine.step_buckets import Bucket, choose_bucket, list_buckets, shape_bucket
from fimserve.engine.step_buffers import StepBuffers
from fimserve.engine.step_program import StepOutput, make_memory, make_program
from fimserve.models import CausalModel, FusedForward, KvPool, LoraMemory

logger = logging.getLogger(__name__)


class _Recorded:
    """Holds the memory of one bucket and what runs on it."""

    def __init__(self, buffers: StepBuffers, program: Callable[[], StepOutput]) -> None:
        self.buffers, self.program = buffers, program


class GraphRunner:
    """Runs steps of one model on fixed memory.

    Args:
        model: The weights.
        pool: Keys and values; belongs to this runner.
        num_candidates: Ids from this one on are padding of the embedding and get no score.
        max_context_tokens: Tokens of the longest sequence.
        max_sequences: Sequences of a step at most.
        max_step_tokens: Tokens of a step at most.
        end_token_ids: Tokens that end a completion, unless its sequence ignores them.
        lora: Fixed memory for adapters; None where no step has any.
    """

    def __init__(
        self,
        model: CausalModel,
        pool: KvPool,
        num_candidates: int,
        max_context_tokens: int,
        max_sequences: int,
        max_step_tokens: int,
        end_token_ids: frozenset[int],
        lora: LoraMemory | None = None,
    ) -> None:
        self.launches_ahead = True
        """Whether a step may be launched on tokens that nobody has read."""
        self._plain = Runner(model, pool, num_candidates)
        self._forward = FusedForward(model, pool, lora)
        self._lora = lora
        self._model, self._pool = model, pool
        self._num_candidates = num_candidates
        self._max_context_tokens, self._max_sequences = max_context_tokens, max_sequences
        self._max_step_tokens = max_step_tokens
        self._memory = make_memory(model.device)
        self._end_penalty = torch.zeros(num_candidates, device=model.device)  # [V]
        ends = [token_id for token_id in end_token_ids if token_id < num_candidates]
        self._end_penalty[ends] = torch.finfo(torch.float32).min / 2
        self._recorded: dict[Bucket, _Recorded] = {}

    def copy_blocks(self, copies: Items[BlockCopy]) -> None:
        """Copy keys and values between blocks, in order."""
        self._plain.copy_blocks(copies)

    def warm_up(
        self, usual_context_tokens: int, report: Callable[[int, int], None] | None = None
    ) -> None:
        """Record every bucket that is usual, so that no request waits for it.

        Args:
            usual_context_tokens: Tokens that few sequences exceed; what is for longer ones only is
                recorded when one comes.
            report: Told how many of how many are done.
        """
        buckets = list_buckets(
            min(self._max_context_tokens, usual_context_tokens),
            self._max_sequences,
            self._max_step_tokens,
            with_adapters=self._lora is not None,
        )
        started_s = time.perf_counter()
        for number, bucket in enumerate(buckets, 1):
            self._record(bucket)
            if report is not None:
                report(number, len(buckets))
        elapsed_s = time.perf_counter() - started_s
        logger.info("%d sizes of steps recorded in %.1f s", len(buckets), elapsed_s)

    def launch(self, items: Items[WorkItem], adapter_slots: Items[int]) -> Launched:
        """Begin to compute the items' tokens.

        Args:
            items: What to compute.
            adapter_slots: Slot of each item's adapter; 0 = none.

        Returns:
            The step on its way.
        """
        bucket = self._choose_bucket(items, adapter_slots)
        if bucket is None:
            return self._plain.launch(items, adapter_slots)
        return self._launch(bucket, items, adapter_slots, None)

    def launch_behind(
        self, before: Launched, items: Items[WorkItem], adapter_slots: Items[int]
    ) -> Launched | None:
        """Begin the step behind one that nobody has read yet, on the tokens that it chooses.

        Args:
            before: A step with one score for each item, in the same order.
            items: One token each, whose ids are not looked at.
            adapter_slots: Slot of each item's adapter; 0 = none.

        Returns:
            The step on its way; None where the step before is not on fixed memory.
        """
        bucket = self._choose_bucket(items, adapter_slots)
        if bucket is None or not isinstance(before, BufferedLaunch):
            return None
        return self._launch(bucket, items, adapter_slots, before.output.chosen)

    def _choose_bucket(self, items: Items[WorkItem], adapter_slots: Items[int]) -> Bucket | None:
        lora = self._lora
        if any(slot and (lora is None or not lora.holds(slot)) for slot in adapter_slots):
            return None
        return choose_bucket(items, any(adapter_slots))

    def _launch(
        self,
        bucket: Bucket,
        items: Items[WorkItem],
        adapter_slots: Items[int],
        chosen: Tensor | None,
    ) -> Launched:
        recorded = self._recorded.get(bucket) or self._record(bucket)
        with torch.inference_mode():
            recorded.buffers.fill(items, adapter_slots)
            if chosen is not None:
                recorded.buffers.feed(chosen, len(items))
            output = recorded.program()
            return BufferedLaunch(output, sum(item.num_logits for item in items))

    def _record(self, bucket: Bucket) -> _Recorded:
        config = self._model.config
        shape = shape_bucket(bucket, config.num_heads // config.num_kv_heads, config.num_kv_heads)
        size = self._pool.block_tokens
        max_blocks = -(-self._max_context_tokens // size)
        device = self._model.device
        with torch.inference_mode():
            buffers = StepBuffers(bucket, shape, max_blocks, size, device)
            buffers.fill([], [])

            def compute() -> StepOutput:
                scores = self._forward(buffers.step)[:, : self._num_candidates].float()
                ignores_end = buffers.ignores_end[: len(scores), None]
                return StepOutput(scores, (scores + ignores_end * self._end_penalty).argmax(dim=-1))

            program = make_program(compute, device, self._memory)
        recorded = _Recorded(buffers, program)
        self._recorded[bucket] = recorded
        return recorded
