"""A weight matrix in memory, whatever its precision: what it can do, and the plain form of it.

The other forms are in `int8_matrix.py` and `int8_dynamic_matrix.py`. Each matrix of a model has
its own. Knows nothing of names, files or layers.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional


class Matrix(Protocol):
    """Multiplies rows of activations by a weight matrix [out, in]."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""

    def multiply(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x times the transposed matrix, plus the bias.

        Shapes:
            x:       [..., in]   activation dtype
            bias:    [out]       activation dtype
            returns: [..., out]  activation dtype

        Args:
            x: Rows of activations.
            bias: Added to every row; None = nothing.

        Returns:
            The products, a new tensor.
        """

    def lookup(self, indices: Tensor) -> Tensor:
        """Return some rows of the matrix.

        Shapes:
            indices: [T]      int64
            returns: [T, in]  activation dtype

        Args:
            indices: Numbers of the rows.

        Returns:
            The rows, a new tensor.
        """

    def add(self, first_row: int, change: Tensor) -> None:
        """Add to some rows of the matrix for good, as merging an adapter does.

        Args:
            first_row: First row that changes.
            change: [rows, in] fp32.
        """


class DenseMatrix:
    """Holds a matrix in the precision of the activations.

    Args:
        weight: [out, in] bf16|fp32.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return self.weight.numel() * self.weight.element_size()

    def multiply(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x times the transposed matrix, plus the bias; see `Matrix`."""
        return functional.linear(x, self.weight, bias)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return some rows of the matrix; see `Matrix`."""
        return functional.embedding(indices, self.weight)

    def add(self, first_row: int, change: Tensor) -> None:
        """Add to some rows of the matrix for good; see `Matrix`."""
        rows = self.weight[first_row : first_row + change.shape[0]]
        rows.copy_((rows.float() + change).to(rows.dtype))
