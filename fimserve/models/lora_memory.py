"""Fixed memory for the factors of all adapters, layer by layer: what recorded steps read.

A recorded step knows places in memory, so an adapter that comes or goes changes what lies in its
slot, and the recording stays. An adapter of too large a rank, or in a slot beyond the last, is not
kept here, and steps with it run unrecorded. Knows nothing of files, names or steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fimserve.models.linear import Linear
from fimserve.models.lora import LoraFactors


@dataclass(frozen=True, slots=True)
class LoraStack:
    """Holds the factors of all adapters of one layer, as `fimkernels.ops.add_lora` reads them."""

    down: Tensor
    """[A, in, R] activation dtype; A slots, the first one of number 1."""
    up: Tensor
    """[A, R, out] activation dtype."""
    ranks: Tensor
    """[A] int32: how much of R each slot uses; 0 = the layer stays as it is."""

    @property
    def max_rank(self) -> int:
        """The most that an adapter may use."""
        return self.up.shape[1]

    def write(self, slot: int, factors: LoraFactors) -> LoraFactors:
        """Write a slot's factors; return them as they lie here. Ranks are written elsewhere."""
        rank = factors.up.shape[0]
        down, up = self.down[slot - 1, :, :rank], self.up[slot - 1, :rank]
        down.copy_(factors.down)
        up.copy_(factors.up)
        return LoraFactors(down, up)


class LoraMemory:
    """Holds the factors of the adapters in the first slots.

    Args:
        linears: The layers that adapters may change.
        num_slots: Adapters that there is room for.
        max_rank: Largest rank of a stored matrix's change.
        dtype: Precision of the activations.
        device: Device of the model.
    """

    def __init__(
        self,
        linears: Sequence[Linear],
        num_slots: int,
        max_rank: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.num_slots, self.max_rank = num_slots, max_rank
        self._slots: set[int] = set()
        # All layers' ranks in one tensor, so that an adapter goes at one stroke.
        self._ranks = torch.zeros(len(linears), num_slots, dtype=torch.int32, device=device)
        self._numbers = {linear: number for number, linear in enumerate(linears)}
        self._stacks: list[LoraStack] = []
        for linear, ranks in zip(linears, self._ranks, strict=True):
            rank, num_columns = max_rank * len(linear.parts), sum(linear.parts.values())
            self._stacks.append(
                LoraStack(
                    torch.zeros(num_slots, linear.in_features, rank, dtype=dtype, device=device),
                    torch.zeros(num_slots, rank, num_columns, dtype=dtype, device=device),
                    ranks,
                )
            )

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        factors = (factor for stack in self._stacks for factor in (stack.down, stack.up))
        return sum(factor.numel() * factor.element_size() for factor in factors)

    def holds(self, slot: int) -> bool:
        """Return whether a slot's adapter is here."""
        return slot in self._slots

    def stack_of(self, linear: Linear) -> LoraStack:
        """Return a layer's factors."""
        return self._stacks[self._numbers[linear]]

    def write(
        self, slot: int, fitted: Sequence[tuple[Linear, LoraFactors]]
    ) -> list[tuple[Linear, LoraFactors]]:
        """Write an adapter into its slot, where it fits.

        Args:
            slot: The slot, from 1.
            fitted: Layers that the adapter changes, and their factors.

        Returns:
            The same layers with the factors as they lie here; where it does not fit, as they came.
        """
        self.forget(slot)
        if slot > self.num_slots or any(
            factors.up.shape[0] > self.stack_of(linear).max_rank for linear, factors in fitted
        ):
            return list(fitted)
        placed: list[tuple[Linear, LoraFactors]] = []
        ranks = [0] * len(self._stacks)
        for linear, factors in fitted:
            placed.append((linear, self.stack_of(linear).write(slot, factors)))
            ranks[self._numbers[linear]] = factors.up.shape[0]
        self._ranks[:, slot - 1] = torch.tensor(ranks, dtype=torch.int32)
        self._slots.add(slot)
        return placed

    def forget(self, slot: int) -> None:
        """Let a slot change nothing; does nothing where it has no adapter."""
        if slot in self._slots:
            self._slots.discard(slot)
            self._ranks[:, slot - 1] = 0
