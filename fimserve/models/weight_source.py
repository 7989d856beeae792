"""Hands the modules of a model their tensors, in the precision and on the device they run in.

Int8 matrices of a checkpoint stay int8 where the model keeps them so; everything else is
multiplied out or rounded here. Names are those of the modules; the loader knows what the files
call them. Knows nothing of shapes: the loader has compared them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fimserve.models.int8_codes import quantise_matrix
from fimserve.models.int8_dynamic_matrix import Int8DynamicMatrix
from fimserve.models.int8_matrix import Int8Matrix
from fimserve.models.matrix import DenseMatrix, Matrix
from fimserve.models.precision import Precision
from fimserve.models.weight_files import WeightFiles


class WeightSource:
    """Reads single tensors and stacks of them.

    Args:
        files: Open files of the checkpoint.
        stored_names: What the files call each tensor.
        precision: Precision in memory.
        device: Where to put everything.
    """

    def __init__(
        self,
        files: WeightFiles,
        stored_names: Mapping[str, str],
        precision: Precision,
        device: torch.device,
    ) -> None:
        self._files, self._stored_names = files, stored_names
        self._precision = precision
        self.device = device
        """Where the tensors are put."""

    @property
    def precision(self) -> Precision:
        """Precision of activations and matrices."""
        return self._precision

    @property
    def dtype(self) -> torch.dtype:
        """Precision of activations, norms and biases."""
        return self._precision.dtype

    def vector(self, names: Sequence[str]) -> Tensor:
        """Return vectors laid end to end, in the precision of the activations."""
        parts = [self._files.read(self._stored_names[name]) for name in names]
        return torch.cat(parts).to(device=self.device, dtype=self.dtype)

    def matrix(self, names: Sequence[str]) -> Matrix:
        """Return matrices with equal columns as one, the first on top."""
        stored = [self._stored_names[name] for name in names]
        if self._precision.matrices == "dense":
            parts = [self._files.read_dense(name).to(self.device, self.dtype) for name in stored]
            return DenseMatrix(torch.cat(parts) if len(parts) > 1 else parts[0])
        pairs = [self._read_codes(name) for name in stored]
        codes = torch.cat([pair[0] for pair in pairs]).to(self.device)
        scales = torch.cat([pair[1] for pair in pairs]).to(self.device)
        if self._precision.matrices == "int8":
            return Int8Matrix(codes, scales, self.dtype)
        return Int8DynamicMatrix(codes, scales)

    def _read_codes(self, name: str) -> tuple[Tensor, Tensor]:
        tensor = self._files.read(name)
        if tensor.dtype != torch.int8:
            return quantise_matrix(self._files.read_dense(name))
        return tensor, self._files.read_scales(name)
