"""The feed-forward layers of the families: gated by SiLU, or a plain tanh GELU.

Knows nothing of stored names: the families hand in the linear layers.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional

from fimserve.models.linear import Linear
from fimserve.models.step import Step


class FeedForward(Protocol):
    """Computes a block's second half."""

    @property
    def linears(self) -> tuple[Linear, Linear]:
        """The two layers, in the order of the computation."""

    def __call__(self, hidden: Tensor, step: Step) -> Tensor:
        """Return the layer's output, a new tensor of shape [T, E] like its input."""


class GatedFeedForward:
    """Computes down(silu(gate(x)) * up(x)).

    Args:
        gate_up: Computes gate and up side by side, of equal size.
        down: Projects back.
    """

    def __init__(self, gate_up: Linear, down: Linear) -> None:
        self.linears = (gate_up, down)
        self._inner_size = down.in_features

    def __call__(self, hidden: Tensor, step: Step) -> Tensor:
        """Return the layer's output, a new tensor of shape [T, E] like its input."""
        gate_up, down = self.linears
        inner = gate_up(hidden, step.lora)
        gate, up = inner[:, : self._inner_size], inner[:, self._inner_size :]
        return down(functional.silu(gate).mul_(up), step.lora)


class GeluFeedForward:
    """Computes down(gelu(up(x))), GELU by its tanh formula.

    Args:
        up: Projects to the inner size.
        down: Projects back.
    """

    def __init__(self, up: Linear, down: Linear) -> None:
        self.linears = (up, down)

    def __call__(self, hidden: Tensor, step: Step) -> Tensor:
        """Return the layer's output, a new tensor of shape [T, E] like its input."""
        up, down = self.linears
        inner = functional.gelu(up(hidden, step.lora), approximate="tanh")
        return down(inner, step.lora)
