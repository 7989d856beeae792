"""A weight matrix as int8 codes with one scale per row, multiplied out while it is used.

Half the memory of bf16, and the exact values of the stored int8 checkpoint. For few rows on a CPU
in bf16 torch multiplies the codes directly: measured on 2 cores, one row times [896, 640] takes
49 us in bf16, and 337 us in fp32, where it is not used.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MAX_PACKED_ROWS = 8
"""Rows up to which the codes are multiplied directly; above, multiplying out once is cheaper."""


class Int8Matrix:
    """Holds int8 codes and row scales; activations are floating-point.

    Args:
        codes: [out, in] int8.
        scales: [out, 1] fp32.
        dtype: Precision of the activations.
    """

    def __init__(self, codes: Tensor, scales: Tensor, dtype: torch.dtype) -> None:
        self.codes, self.scales = codes, scales
        self._dtype = dtype
        self._flat_scales = scales.flatten().to(dtype)
        self._can_pack = codes.device.type == "cpu" and dtype == torch.bfloat16

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return self.codes.numel() + 4 * self.scales.numel()

    def multiply(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x times the transposed matrix, plus the bias; see `Matrix`."""
        if self._can_pack and x.ndim == 2 and x.shape[0] <= MAX_PACKED_ROWS:
            product = torch._weight_int8pack_mm(x, self.codes, self._flat_scales)
            return product if bias is None else product.add_(bias)
        # The codes are exact in bf16; scaling the product saves scaling the matrix.
        product = functional.linear(x, self.codes.to(self._dtype)) * self._flat_scales
        return product if bias is None else product.add_(bias)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return some rows of the matrix; see `Matrix`."""
        return (self.codes[indices] * self.scales[indices]).to(self._dtype)

    def add(self, first_row: int, change: Tensor) -> None:
        """Refuse: what is added to codes would be rounded away; see `Matrix`.

        Args:
            first_row: First row that would change.
            change: [rows, in] fp32.

        Raises:
            TypeError: Always.
        """
        raise TypeError("an int8 matrix takes no merged change; load the model in fp32 or bf16")
