"""Runs the model over one step: work items in, scores of the tokens that may follow out.

One operation after the other, as they come. `graph_runner.py` is the other one that touches the
model's forward pass, and has this one for what it does not serve. Knows nothing of requests,
sampling and text.
"""

from __future__ import annotations

import time
from collections.abc import Sequence as Items

import torch
from torch import Tensor

from fimserve.engine.core_share import CoreShare
from fimserve.engine.kv_manager import BlockCopy
from fimserve.engine.launched import EagerLaunch, Launched
from fimserve.engine.scheduler import WorkItem
from fimserve.models import CausalModel, ForwardBatch, KvPool, Piece


class Runner:
    """Runs steps of one model.

    Args:
        model: The weights.
        pool: Keys and values; belongs to this runner.
        num_candidates: Ids from this one on are padding of the embedding and get no score.
        core_share: Says how many threads a step may take; None leaves torch's number.
    """

    def __init__(
        self,
        model: CausalModel,
        pool: KvPool,
        num_candidates: int,
        core_share: CoreShare | None = None,
    ) -> None:
        self.launches_ahead = False
        """Whether a step may be launched on tokens that nobody has read."""
        self._model = model
        self._pool = pool
        self._num_candidates = num_candidates
        self._core_share = core_share

    def copy_blocks(self, copies: Items[BlockCopy]) -> None:
        """Copy keys and values between blocks, in order."""
        with torch.inference_mode():
            for copy in copies:
                self._pool.copy_tokens(copy.source, copy.target, copy.num_tokens)

    def launch(self, items: Items[WorkItem], adapter_slots: Items[int]) -> Launched:
        """Compute the items' tokens; see `run`."""
        return EagerLaunch(self.run(items, adapter_slots))

    def launch_behind(
        self, before: Launched, items: Items[WorkItem], adapter_slots: Items[int]
    ) -> Launched | None:
        """Return None: this runner launches nothing ahead."""
        return None

    def run(self, items: Items[WorkItem], adapter_slots: Items[int]) -> Tensor:
        """Compute the items' tokens and return the scores that were asked for.

        Shapes:
            returns: [R, V]  fp32, device of the model; rows in the order of the items

        Args:
            items: What to compute.
            adapter_slots: Slot of each item's adapter; 0 = none.

        Returns:
            Scores behind the last `num_logits` tokens of each item.
        """
        pieces = [
            Piece(
                token_ids=item.token_ids,
                num_context=item.start,
                blocks=item.lease.blocks,
                adapter=slot,
            )
            for item, slot in zip(items, adapter_slots, strict=True)
        ]
        self._fit_threads()
        with torch.inference_mode():
            batch = ForwardBatch.make(pieces, self._pool.block_tokens, self._model.device)
            hidden = self._model(batch, self._pool)  # [T, E]
            rows = _wanted_rows(items)
            if len(rows) != len(hidden):
                hidden = hidden[torch.tensor(rows, dtype=torch.int64, device=hidden.device)]
            scores: Tensor = self._model.logits(hidden)[:, : self._num_candidates].float()
        return scores

    def _fit_threads(self) -> None:
        """Compute with as many threads as there are cores that nobody else keeps busy."""
        if self._core_share is None:
            return
        before = self._core_share.num_threads
        if (num_threads := self._core_share.look(time.monotonic())) != before:
            torch.set_num_threads(num_threads)


def _wanted_rows(items: Items[WorkItem]) -> list[int]:
    """Return the rows of the step whose scores are wanted."""
    rows: list[int] = []
    end = 0
    for item in items:
        end += len(item.token_ids)
        rows.extend(range(end - item.num_logits, end))
    return rows
