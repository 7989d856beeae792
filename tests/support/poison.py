"""Outputs that show what a kernel did not write, and what it wrote that was not its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

GUARD_ELEMENTS = 4096
"""Elements before and behind each output that nobody may touch."""
POISON = -7777
"""Fills integers, where NaN cannot."""


@dataclass
class PoisonedOutputs:
    """Makes outputs, and remembers them until they are looked at."""

    made: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    """Guard, output, guard, all of one allocation."""

    def make(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return an output full of NaN, or of a number where the type has none.

        Args:
            shape: Its shape.
            dtype: Its type.
            device: Where.

        Returns:
            A contiguous tensor.
        """
        size = 1
        for length in shape:
            size *= length
        fill = float("nan") if dtype.is_floating_point else POISON
        memory = torch.full((size + 2 * GUARD_ELEMENTS,), fill, dtype=dtype, device=device)
        before, output, behind = memory.split([GUARD_ELEMENTS, size, GUARD_ELEMENTS])
        self.made.append((before, output, behind))
        return output.view(tuple(shape))

    def check_guards(self) -> None:
        """Assert that nothing was written beside an output."""
        for before, _, behind in self.made:
            for guard in (before, behind):
                is_whole = guard.isnan() if guard.dtype.is_floating_point else guard == POISON
                assert bool(is_whole.all()), "a kernel wrote beside its output"
