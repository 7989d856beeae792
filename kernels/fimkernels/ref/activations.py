"""What stands between the two matrices of a feed-forward layer."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def silu_and_multiply(gate_up: Tensor) -> Tensor:
    """Return silu(gate) * up.

    Shapes:
        gate_up: [T, 2 * I]  bf16|fp16|fp32, last axis contiguous
        returns: [T, I]      dtype of gate_up

    Args:
        gate_up: Gate, then up, side by side.

    Returns:
        The product.
    """
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def gelu_tanh(x: Tensor) -> Tensor:
    """Return GELU by its tanh formula.

    Shapes:
        x:       [T, I]  bf16|fp16|fp32, last axis contiguous
        returns: [T, I]  dtype of x

    Args:
        x: What the first matrix put out.

    Returns:
        The activation.
    """
    return functional.gelu(x, approximate="tanh")
