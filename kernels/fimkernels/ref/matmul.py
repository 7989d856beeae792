"""The product with a weight matrix and what follows it in a layer: bias, activation, residual."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from fimkernels.packed_weight import PackedWeight, unpack_weight
from fimkernels.ref.activations import gelu_tanh, silu_and_multiply

Activation = Literal["none", "gelu", "swiglu"]


def multiply(
    x: Tensor,
    weight: PackedWeight,
    bias: Tensor | None = None,
    activation: Activation = "none",
    residual: Tensor | None = None,
) -> Tensor:
    """Return activation(x W^T + bias) + residual.

    Shapes:
        x:        [T, K]  bf16|fp16|fp32, last axis contiguous
        weight:   [N, K]  packed
        bias:     [N]     dtype of x
        residual: [T, M]  dtype of x, last axis contiguous
        returns:  [T, M]  dtype of x; M = N / 2 for "swiglu", whose rows are gate, then up; else N

    Args:
        x: Rows of activations.
        weight: The matrix.
        bias: Added to each row; None = nothing.
        activation: What follows.
        residual: Added at the end; None = nothing.

    Returns:
        The result, a new tensor.
    """
    product = functional.linear(x, unpack_weight(weight, x.dtype), bias)
    if activation == "gelu":
        product = gelu_tanh(product)
    elif activation == "swiglu":
        product = silu_and_multiply(product)
    return product if residual is None else product + residual
