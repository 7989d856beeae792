"""LoRA factors in memory."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class LoraFactors:
    """Holds what one adapter adds to a linear layer's output: x @ down @ up."""

    down: Tensor
    """[in, r] activation dtype; r is the sum of the ranks of the layer's parts."""
    up: Tensor
    """[r, out] activation dtype, scales multiplied in."""
