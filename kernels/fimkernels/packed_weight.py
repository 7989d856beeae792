"""A weight matrix in the form that the kernels read: dense, int8, fp8 or int4 with scales.

| form | codes | one byte holds | value |
| --- | --- | --- | --- |
| dense | [N, K] bf16, fp16 or fp32 | | code |
| int8 | [N, K] int8 | one code | code * scale |
| fp8 | [N, K] float8_e4m3fn | one code | code * scale |
| int4 | [N, K / 2] uint8 | columns j and j + G / 2 of a group of G | (nibble - 8) * scale |

Scales are fp32 [N, K / G], one per row and group of G columns; G = K is one per row. The halves of
an int4 group lie in the low and the high nibbles, so that a kernel unpacks a tile into two plain
tiles and exchanges nothing between threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Form = Literal["dense", "int8", "fp8", "int4"]

LARGEST: dict[Form, float] = {"int8": 127.0, "fp8": 448.0, "int4": 7.0}
"""Largest code of each form; all are symmetric, so that zero stays zero."""
INT4_ZERO = 8
"""Nibble that means 0."""


@dataclass(frozen=True, slots=True)
class PackedWeight:
    """Holds a matrix [N, K] as codes and scales."""

    form: Form
    """What the codes are."""
    codes: Tensor
    """The codes, contiguous; shape and type as the form says."""
    scales: Tensor | None
    """[N, K / G] fp32, contiguous; None for dense."""
    num_columns: int
    """K, the columns of the matrix."""

    @property
    def num_rows(self) -> int:
        """N, the rows of the matrix."""
        return self.codes.shape[0]

    @property
    def group(self) -> int:
        """G, columns that share a scale."""
        return self.num_columns if self.scales is None else self.num_columns // self.scales.shape[1]

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held, which are those that one product reads."""
        scales = 0 if self.scales is None else 4 * self.scales.numel()
        return self.codes.numel() * self.codes.element_size() + scales


def pack_dense(weight: Tensor) -> PackedWeight:
    """Return a matrix as it is."""
    return PackedWeight("dense", weight.contiguous(), None, weight.shape[1])


def pack_int8(codes: Tensor, scales: Tensor) -> PackedWeight:
    """Return a matrix that is stored as int8.

    Args:
        codes: [N, K] int8.
        scales: [N, K / G] fp32.

    Returns:
        The same numbers.
    """
    return PackedWeight("int8", codes.contiguous(), scales.float().contiguous(), codes.shape[1])


def quantise_weight(weight: Tensor, form: Form, group: int | None = None) -> PackedWeight:
    """Return a matrix rounded to a form.

    Shapes:
        weight: [N, K]  floating point, finite

    Args:
        weight: The matrix.
        form: What to round to; "dense" rounds nothing.
        group: Columns that share a scale, a divisor of K, for int4 an even one; None = a whole row.

    Returns:
        Codes and scales; each value is within half a step of the weight, an fp8 step being 1/8 of
        the value.

    Raises:
        ValueError: If the group does not fit the matrix.
    """
    if form == "dense":
        return pack_dense(weight)
    num_rows, num_columns = weight.shape
    group = num_columns if group is None else group
    if num_columns % group or (form == "int4" and group % 2):
        raise ValueError(f"group is {group}; use a divisor of {num_columns}, even for int4")
    wide = weight.float().view(num_rows, -1, group)  # [N, K / G, G]
    scales = wide.abs().amax(-1, keepdim=True) / LARGEST[form]
    scales = torch.where(scales >= torch.finfo(torch.float32).tiny, scales, 1.0)
    exact = wide / scales
    flat_scales = scales.squeeze(-1).contiguous()
    if form == "fp8":
        codes = exact.to(torch.float8_e4m3fn).view(num_rows, num_columns)
        return PackedWeight(form, codes, flat_scales, num_columns)
    whole = exact.round().clamp(-LARGEST[form], LARGEST[form])
    if form == "int8":
        codes = whole.to(torch.int8).view(num_rows, num_columns)
        return PackedWeight(form, codes, flat_scales, num_columns)
    low, high = (whole + INT4_ZERO).to(torch.uint8).chunk(2, dim=-1)
    codes = (low | (high << 4)).reshape(num_rows, num_columns // 2)
    return PackedWeight(form, codes, flat_scales, num_columns)


def unpack_weight(weight: PackedWeight, dtype: torch.dtype) -> Tensor:
    """Return a packed matrix as plain numbers.

    Shapes:
        returns: [N, K]  dtype

    Args:
        weight: The matrix.
        dtype: Type to compute and answer in.

    Returns:
        The values.
    """
    if weight.scales is None:
        return weight.codes.to(dtype)
    num_rows, group = weight.num_rows, weight.group
    if weight.form == "int4":
        packed = weight.codes.view(num_rows, -1, group // 2)
        codes = torch.cat((packed & 0xF, packed >> 4), -1).to(dtype) - INT4_ZERO
    else:
        codes = weight.codes.to(dtype).view(num_rows, -1, group)
    return (codes * weight.scales[:, :, None].to(dtype)).view(num_rows, -1)
