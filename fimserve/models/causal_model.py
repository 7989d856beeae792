"""A decoder-only transformer: from the tokens of a step to hidden states and logits.

One forward for all families: each family's file assembles it from blocks and names what is stored.
Plain objects, no gradients; call it inside `torch.inference_mode()`. Knows nothing of files, text
or sampling.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fimserve.models.adapter import Adapter
from fimserve.models.adapter_fit import fit_adapter
from fimserve.models.block import Block
from fimserve.models.config import ModelConfig
from fimserve.models.embedding import Embedding
from fimserve.models.forward_batch import ForwardBatch
from fimserve.models.kv_pool import KvPool
from fimserve.models.linear import Linear
from fimserve.models.lora import LoraFactors
from fimserve.models.lora_memory import LoraMemory
from fimserve.models.lora_rows import LoraRows
from fimserve.models.norms import Norm
from fimserve.models.paged_attention import PagedAttention
from fimserve.models.rope import RotaryEmbedding
from fimserve.models.step import Step
from fimserve.models.weight_source import WeightSource

logger = logging.getLogger(__name__)


class Weights(Protocol):
    """Says what every part with stored tensors can do."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors that `fill` reads."""

    def fill(self, source: WeightSource) -> None:
        """Take the weights."""


@dataclass(frozen=True, slots=True)
class ModelParts:
    """Holds what a family assembles."""

    tokens: Embedding
    """Row of each token."""
    positions: Embedding | None
    """Row of each position, added to the token's; None = rotated in instead."""
    blocks: Sequence[Block]
    """The blocks, first to last."""
    norm: Norm
    """Norms what the last block puts out."""
    head: Linear | None
    """Output layer; None = the token table."""


class CausalModel:
    """Computes hidden states and logits of the tokens of a step.

    Args:
        config: Shape of the model.
        parts: Its parts, not yet filled.
    """

    def __init__(self, config: ModelConfig, parts: ModelParts) -> None:
        self.config = config
        self.parts = parts
        self.dtype: torch.dtype
        """Precision of activations, keys and values; known once filled."""
        self.device: torch.device
        """Where the weights are; known once filled."""
        self.precision: str
        """Name of the precision, such as "bf16" or "int8-dynamic"; known once filled."""
        self._slots: frozenset[int] = frozenset()
        self._lora_memory: LoraMemory | None = None
        self._rope = None if config.rope is None else RotaryEmbedding(config.rope, config.head_dim)

    @property
    def num_bytes(self) -> int:
        """Bytes of memory the weights hold."""
        return sum(part.num_bytes for part in self.weights())

    @property
    def num_parameters(self) -> int:
        """Number of weights, those of a tied output layer once; adapters not counted."""
        shapes = (shape for part in self.weights() for shape in part.stored_shapes().values())
        return sum(math.prod(shape) for shape in shapes)

    def weights(self) -> Iterator[Weights]:
        """Yield every part that has stored tensors."""
        parts = self.parts
        yield parts.tokens
        if parts.positions is not None:
            yield parts.positions
        for block in parts.blocks:
            yield block.attention_norm
            yield block.feed_forward_norm
        yield from self.linears()
        yield parts.norm
        if parts.head is not None:
            yield parts.head

    def linears(self) -> Iterator[Linear]:
        """Yield the linear layers of all blocks."""
        for block in self.parts.blocks:
            yield block.attention.projection
            yield block.attention.output
            yield from block.feed_forward.linears

    def fill(self, source: WeightSource) -> None:
        """Take the weights, their precision and their device."""
        for part in self.weights():
            part.fill(source)
        self.dtype, self.device = source.dtype, source.device
        self.precision = source.precision.name

    def add_adapter(self, slot: int, adapter: Adapter) -> None:
        """Let rows of a step that name the slot be changed by an adapter; call between steps.

        One that does not fit raises AdapterMismatch and changes nothing.

        Args:
            slot: Number that pieces name, from 1; an adapter that is there is replaced.
            adapter: The adapter, as `read_adapter` gives it.

        Raises:
            ValueError: If the slot is below 1.
        """
        if slot < 1:
            raise ValueError(f"slot is {slot}; adapters are counted from 1, 0 means none")
        prefix = self.config.stored_prefix
        fitted = fit_adapter(adapter, self.linears(), prefix, self.dtype, self.device)
        self.remove_adapter(slot)
        self._set_adapter(slot, fitted)
        self._slots |= {slot}
        if self._lora_memory is not None and not self._lora_memory.holds(slot):
            logger.warning(
                "steps with adapter %s run one operation after the other: the memory that recorded "
                "steps read has room for %d adapters of rank %d",
                adapter.source, self._lora_memory.num_slots, self._lora_memory.max_rank,
            )  # fmt: skip

    def remove_adapter(self, slot: int) -> None:
        """Forget the adapter of a slot, if there is one; call between steps."""
        for linear in self.linears():
            linear.set_adapter(slot, None)
        if self._lora_memory is not None:
            self._lora_memory.forget(slot)
        self._slots -= {slot}

    def keep_adapters(self, num_slots: int, max_rank: int) -> LoraMemory:
        """Return fixed memory that holds the adapters' factors from now on; call between steps.

        Adapters that are there already move in. Asked again for the same, it is the same memory.

        Args:
            num_slots: Adapters that there is room for; those in higher slots stay outside.
            max_rank: Largest rank of a stored matrix's change; an adapter beyond it stays outside.

        Returns:
            The memory.
        """
        memory = self._lora_memory
        if memory is None or (memory.num_slots, memory.max_rank) != (num_slots, max_rank):
            linears = list(self.linears())
            self._lora_memory = None  # the old one goes before the new one comes
            memory = LoraMemory(linears, num_slots, max_rank, self.dtype, self.device)
            self._lora_memory = memory
            for slot in self._slots:
                fitted = [(one, one.changes[slot]) for one in linears if slot in one.changes]
                self._set_adapter(slot, fitted)
        return memory

    def _set_adapter(self, slot: int, fitted: Sequence[tuple[Linear, LoraFactors]]) -> None:
        if self._lora_memory is not None:
            fitted = self._lora_memory.write(slot, fitted)
        for linear, factors in fitted:
            linear.set_adapter(slot, factors)

    def make_pool(self, num_blocks: int, block_tokens: int) -> KvPool:
        """Return memory for the keys and values of num_blocks * block_tokens tokens."""
        return KvPool(self.config, num_blocks, block_tokens, self.dtype, self.device)

    def __call__(self, batch: ForwardBatch, pool: KvPool) -> Tensor:
        """Return the hidden states of a step; see `forward`."""
        return self.forward(batch, pool)

    def forward(self, batch: ForwardBatch, pool: KvPool) -> Tensor:
        """Return the hidden states of the tokens of a step; store their keys and values.

        A step that fails leaves garbage in the slots of its own tokens and nowhere else.

        Shapes:
            returns: [T, E]  model dtype

        Args:
            batch: Tokens of the step, on the model's device.
            pool: Memory that holds the keys and values of each sequence's context.

        Returns:
            Hidden states behind the last norm, ready for `logits`.

        Raises:
            ValueError: If a piece names the slot of an adapter that is not there.
        """
        parts = self.parts
        missing = {slot for slot, _, _ in batch.adapter_rows} - self._slots
        if missing:
            raise ValueError(f"no adapter in slot {min(missing)}")
        step = self._make_step(batch, pool)
        hidden = parts.tokens(batch.token_ids)
        if parts.positions is not None:
            hidden = hidden + parts.positions(batch.positions)
        for block in parts.blocks:
            hidden = block(hidden, step)
        return parts.norm(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores of every token of the vocabulary.

        Shapes:
            hidden:  [..., E]  model dtype
            returns: [..., V]  model dtype

        Args:
            hidden: Output of `forward`, or rows of it.

        Returns:
            Unnormalised log-probabilities of the next token.
        """
        head = self.parts.head
        return (self.parts.tokens if head is None else head).matrix.multiply(hidden, None)

    def rotation_at(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return cosines and signed sines [T, D] at some positions; None = no rope."""
        if self._rope is None:
            return None
        cosines, sines = self._rope.rotation_at(positions, self.dtype)
        return cosines.squeeze(1), sines.squeeze(1)

    def _make_step(self, batch: ForwardBatch, pool: KvPool) -> Step:
        rotation = None
        if self._rope is not None:
            rotation = self._rope.rotation_at(batch.positions, self.dtype)
        lora = LoraRows(batch) if batch.adapter_rows else None
        return Step(PagedAttention(batch, pool, self.config), rotation, lora)
