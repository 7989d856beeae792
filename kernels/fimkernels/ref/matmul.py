"""The product with a weight matrix and what follows it in a layer: bias, activation, residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from fimkernels.packed_weight import PackedWeight, unpack_weight
from fimkernels.ref.activations import gelu_tanh, silu_and_multiply
from fimkernels.ref.norms import add_layer_norm, add_rms_norm

Activation = Literal["none", "gelu", "swiglu"]


@dataclass(frozen=True, slots=True)
class NormOf:
    """Holds the norm in front of a product."""

    weight: Tensor
    """[K], dtype of x."""
    bias: Tensor | None
    """[K], dtype of x, of a layer norm; None = a root-mean-square norm."""
    eps: float
    """Added to what is divided by."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normed rows."""
        if self.bias is None:
            return add_rms_norm(x, None, self.weight, self.eps)[0]
        return add_layer_norm(x, None, self.weight, self.bias, self.eps)[0]


def multiply(
    x: Tensor,
    weight: PackedWeight,
    bias: Tensor | None = None,
    activation: Activation = "none",
    residual: Tensor | None = None,
    norm: NormOf | None = None,
) -> Tensor:
    """Return activation(norm(x) W^T + bias) + residual.

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
        norm: What x goes through first; None = nothing.

    Returns:
        The result, a new tensor.
    """
    x = x if norm is None else norm(x)
    product = functional.linear(x, unpack_weight(weight, x.dtype), bias)
    if activation == "gelu":
        product = gelu_tanh(product)
    elif activation == "swiglu":
        product = silu_and_multiply(product)
    return product if residual is None else product + residual
