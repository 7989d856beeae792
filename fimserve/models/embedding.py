"""A table of one row per token or position; a tied output layer multiplies by the same table."""

from __future__ import annotations

from torch import Tensor

from fimserve.models.matrix import Matrix
from fimserve.models.weight_source import WeightSource


class Embedding:
    """Looks up rows of a stored matrix.

    Args:
        name: Stored name, without ".weight".
        num_rows: Number of rows.
        size: Number of columns.
    """

    def __init__(self, name: str, num_rows: int, size: int) -> None:
        self.matrix: Matrix
        """The table; known once filled."""
        self._name, self._shape = f"{name}.weight", (num_rows, size)

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return self.matrix.num_bytes

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors that `fill` reads."""
        return {self._name: self._shape}

    def fill(self, source: WeightSource) -> None:
        """Take the weights."""
        self.matrix = source.matrix([self._name])

    def __call__(self, indices: Tensor) -> Tensor:
        """Return the rows [T, E] of some indices [T]."""
        return self.matrix.lookup(indices)
