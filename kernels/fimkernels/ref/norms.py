"""Residual addition and norm in one go: what stands in front of every layer.

total = x + residual; normed = norm(total). In bf16 the root mean square is rounded before it is
multiplied by the weight, as transformers does.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from fimkernels.ref.precision import widen


def add_rms_norm(
    x: Tensor, residual: Tensor | None, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum: total / sqrt(mean(total^2) + eps) * weight.

    Shapes:
        x:        [T, E]  bf16|fp16|fp32, last axis contiguous
        residual: [T, E]  dtype of x
        weight:   [E]     dtype of x
        returns:  two of [T, E], dtype of x

    Args:
        x: What the last layer put out.
        residual: What it is added to; None = nothing, and the sum returned is x itself.
        weight: Factor of each column.
        eps: Added to the mean square.

    Returns:
        Normed sum, then sum.
    """
    total = x if residual is None else x + residual
    wide = widen(total)
    normed = wide * (wide.square().mean(-1, keepdim=True) + eps).rsqrt()
    return normed.to(x.dtype) * weight, total


def add_layer_norm(
    x: Tensor, residual: Tensor | None, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum: (total - mean) / sqrt(variance + eps) * weight + bias.

    Shapes:
        x:            [T, E]  bf16|fp16|fp32, last axis contiguous
        residual:     [T, E]  dtype of x
        weight, bias: [E]     dtype of x
        returns:      two of [T, E], dtype of x

    Args:
        x: What the last layer put out.
        residual: What it is added to; None = nothing, and the sum returned is x itself.
        weight: Factor of each column.
        bias: Added to each column.
        eps: Added to the variance.

    Returns:
        Normed sum, then sum.
    """
    total = x if residual is None else x + residual
    return functional.layer_norm(total, weight.shape, weight, bias, eps), total
