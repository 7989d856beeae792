"""LoRA factors in memory."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class LoraFactors:
    """Holds what one adapter adds to some columns of a linear layer's output: x @ down @ up."""

    start: int
    """First column."""
    end: int
    """Column behind the last."""
    down: Tensor
    """[in, r] activation dtype."""
    up: Tensor
    """[r, end - start] activation dtype, the adapter's scale multiplied in."""
