"""A weight matrix as int8 codes, multiplied as integers by activations rounded to int8.

Each row of activations is rounded to codes of its own scale, max|row| / 127; the integer product
is exact, so a row's result does not depend on the rows beside it. For CPUs with VNNI or AMX:
without them torch's integer product may saturate.

The codes are kept twice: as they are, and in oneDNN's blocked order, where a call costs 25 us more
but many rows of a large matrix less. Measured on one core with AVX-512 VNNI, weights from memory,
plain and blocked: [3584, 640] one row 191 and 218 us, two rows 276 and 198, 256 rows 2544 and 1920;
[640, 640] two rows 45 and 52 us, 256 rows 463 and 351.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fimserve.models.int8_codes import MAX_CODE

BLOCKED_FROM_ROWS = 16
"""Rows of activations from which the blocked order is used for any matrix."""
ROWS_TOGETHER = 16
"""Many rows are filled up to a multiple of this. oneDNN compiles a kernel for every number of rows
and keeps it: 4 ms at the first step of that many tokens, and 1.6 MiB for good with the matrices of
the embedded model, 360 MiB once steps of 2 to 255 tokens have been seen."""
BLOCKED_FROM_WEIGHTS = 2_000_000
"""Weights of a matrix from which it is used for two rows and more."""


class Int8DynamicMatrix:
    """Holds int8 codes and row scales; activations come and go in fp32.

    Args:
        codes: [out, in] int8 on a CPU; more than one column, for which torch 2.13's integer product
            gives garbage.
        scales: [out, 1] fp32.
    """

    def __init__(self, codes: Tensor, scales: Tensor) -> None:
        self.codes, self.scales = codes, scales
        self._transposed = codes.t()
        self._first_blocked = 2 if codes.numel() >= BLOCKED_FROM_WEIGHTS else BLOCKED_FROM_ROWS
        self._blocked = torch.ops.onednn.qlinear_prepack(codes, [1, codes.shape[1]])
        self._flat_scales = scales.flatten()
        self._zero_points = torch.zeros(len(codes), dtype=torch.int32)
        # Keeps the scale of a row of zeros from being zero; far below any other.
        self._smallest = torch.tensor(torch.finfo(torch.float32).tiny)

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return 2 * self.codes.numel() + 4 * self.scales.numel()

    def multiply(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x times the transposed matrix, plus the bias; see `Matrix`."""
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        # Few small calls: at one row each costs as much as a tenth of the product.
        row_scales = torch.add(self._smallest, rows.abs().amax(-1, True), alpha=1 / MAX_CODE)
        codes = rows.div(row_scales).round_().to(torch.int8)
        if len(rows) < self._first_blocked:
            product = torch._int_mm(codes, self._transposed) * self._flat_scales
        else:
            product = self._multiply_blocked(codes)
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

    def _multiply_blocked(self, codes: Tensor) -> Tensor:
        """Return codes times the transposed matrix in fp32, bit for bit as for single rows.

        oneDNN is fast for unsigned activations only: flipping the highest bit adds 128, which it
        takes off again exactly as the zero point. The codes are changed.
        """
        num_rows = len(codes)
        if num_rows >= ROWS_TOGETHER and num_rows % ROWS_TOGETHER:
            codes = functional.pad(codes, (0, 0, 0, -num_rows % ROWS_TOGETHER))
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            codes.view(torch.uint8).bitwise_xor_(128), 1.0, 128,
            self._blocked, self._flat_scales, self._zero_points,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return product[:num_rows]
