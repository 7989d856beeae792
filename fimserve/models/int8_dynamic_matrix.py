"""A weight matrix as int8 codes, multiplied as integers by activations rounded to int8.

Each row of activations is rounded to codes of its own scale, max|row| / 127; the integer product
is exact, so a row's result does not depend on the rows beside it. For CPUs with VNNI or AMX:
without them torch's integer product may saturate. Measured on 2 cores with AVX-512 VNNI, one row,
against fp32: [896, 640] 10 us against 24, [3584, 640] 21 against 168, [16384, 640] 194 against 926;
1024 rows of [3584, 640] 5.9 ms against 18.7 ms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimserve.models.int8_codes import MAX_CODE


class Int8DynamicMatrix:
    """Holds int8 codes and row scales; activations come and go in fp32.

    Args:
        codes: [out, in] int8 on a CPU.
        scales: [out, 1] fp32.
    """

    def __init__(self, codes: Tensor, scales: Tensor) -> None:
        self.codes, self.scales = codes, scales
        self._transposed = codes.t()
        self._flat_scales = scales.flatten()
        # Keeps the scale of a row of zeros from being zero; far below any other.
        self._smallest = torch.tensor(torch.finfo(torch.float32).tiny)

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return self.codes.numel() + 4 * self.scales.numel()

    def multiply(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x times the transposed matrix, plus the bias; see `Matrix`."""
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        # Few small calls: at one row each costs as much as a tenth of the product.
        row_scales = torch.add(self._smallest, rows.abs().amax(-1, True), alpha=1 / MAX_CODE)
        codes = rows.div(row_scales).round_().to(torch.int8)
        product = torch._int_mm(codes, self._transposed) * self._flat_scales
        product.mul_(row_scales)
        if bias is not None:
            product.add_(bias)
        return product if x.ndim == 2 else product.view(*x.shape[:-1], -1)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return some rows of the matrix; see `Matrix`."""
        return self.codes[indices] * self.scales[indices]

    def add(self, first_row: int, change: Tensor) -> None:
        """Refuse: what is added to codes would be rounded away; see `Matrix`.

        Args:
            first_row: First row that would change.
            change: [rows, in] fp32.

        Raises:
            TypeError: Always.
        """
        raise TypeError("an int8 matrix takes no merged change; load the model in fp32 or bf16")
