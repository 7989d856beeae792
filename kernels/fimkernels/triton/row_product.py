"""The product of one row with a weight matrix: as fast as the weights can be read.

Each program takes a few rows of the matrix, multiplies in fp32 without the matrix unit and sums at
the end. It asks for its first tile of weights before it waits for its inputs, so the memory is busy
while the kernels in front of it finish: the weights are most of what a step reads. Meaning:
`ref/matmul.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from fimkernels.triton.activations import gelu, silu
from fimkernels.triton.early_launch import await_inputs, release_next
from fimkernels.triton.widening import widen_codes


@triton.jit
def load_tile(
    codes, row, is_row, start,
    SIZE: tl.constexpr, FORM: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Return one tile [N, K] of codes; int4 has two columns in a byte, [N, K / 2]."""
    WIDTH: tl.constexpr = BLOCK_K // 2 if FORM == "int4" else BLOCK_K
    STRIDE: tl.constexpr = SIZE // 2 if FORM == "int4" else SIZE
    first = start // 2 if FORM == "int4" else start
    column = first + tl.arange(0, WIDTH)
    place = row[:, None] * STRIDE + column[None, :]
    if SIZE % BLOCK_K == 0:
        tile = tl.load(codes + place, mask=is_row[:, None], other=0.0)
    else:
        tile = tl.load(codes + place, mask=is_row[:, None] & (column < STRIDE)[None, :], other=0.0)
    return tile


@triton.jit
def load_scale(
    scales, row, is_row, start, group,
    SIZE: tl.constexpr, FORM: tl.constexpr,
):  # fmt: skip
    """Return the scales [N] of the group that a tile lies in; ones where there are none."""
    if FORM == "dense":
        scale = (row * 0 + 1).to(tl.float32)
    else:
        place = row * (SIZE // group) + start // group
        scale = tl.load(scales + place, mask=is_row, other=0.0)
    return scale


@triton.jit
def add_tile(
    acc, tile, scale, x, start,
    SIZE: tl.constexpr, FORM: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Return the sums [N, K] with one tile's products added."""
    kind: tl.constexpr = x.dtype.element_ty
    WIDTH: tl.constexpr = BLOCK_K // 2 if FORM == "int4" else BLOCK_K
    for part in tl.static_range(2 if FORM == "int4" else 1):
        column = start + part * WIDTH + tl.arange(0, WIDTH)
        value = tl.load(x + column, mask=column < SIZE, other=0.0).to(tl.float32)
        if FORM == "int4":
            weight = ((tile >> (4 * part)) & 0xF).to(tl.float32) - 8.0
        else:
            weight = widen_codes(tile, kind, FORM).to(tl.float32)
        product = weight * value[None, :]
        if FORM != "dense":
            product *= scale[:, None]
        acc += product
    return acc


@triton.jit
def multiply_row_kernel(
    output, x, codes, scales, bias, residual, num_rows, group,
    SIZE: tl.constexpr, FORM: tl.constexpr, ACTIVATION: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    GATED: tl.constexpr = ACTIVATION == "swiglu"
    WIDTH: tl.constexpr = BLOCK_K // 2 if FORM == "int4" else BLOCK_K
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_row = column < num_rows
    row = column.to(tl.int64)
    up_row = row + num_rows  # rows of "up" lie behind those of "gate"
    tile = load_tile(codes, row, is_row, 0, SIZE, FORM, BLOCK_K)
    scale = load_scale(scales, row, is_row, 0, group, SIZE, FORM)
    if GATED:
        up_tile = load_tile(codes, up_row, is_row, 0, SIZE, FORM, BLOCK_K)
        up_scale = load_scale(scales, up_row, is_row, 0, group, SIZE, FORM)
    await_inputs(EARLY)
    sums = tl.zeros([BLOCK_N, WIDTH], tl.float32)
    sums = add_tile(sums, tile, scale, x, 0, SIZE, FORM, BLOCK_K)
    if GATED:
        up_sums = tl.zeros([BLOCK_N, WIDTH], tl.float32)
        up_sums = add_tile(up_sums, up_tile, up_scale, x, 0, SIZE, FORM, BLOCK_K)
    for start in range(BLOCK_K, SIZE, BLOCK_K):
        tile = load_tile(codes, row, is_row, start, SIZE, FORM, BLOCK_K)
        scale = load_scale(scales, row, is_row, start, group, SIZE, FORM)
        sums = add_tile(sums, tile, scale, x, start, SIZE, FORM, BLOCK_K)
        if GATED:
            up_tile = load_tile(codes, up_row, is_row, start, SIZE, FORM, BLOCK_K)
            up_scale = load_scale(scales, up_row, is_row, start, group, SIZE, FORM)
            up_sums = add_tile(up_sums, up_tile, up_scale, x, start, SIZE, FORM, BLOCK_K)
    result = tl.sum(sums, 1)
    if HAS_BIAS:
        result += tl.load(bias + row, mask=is_row, other=0.0).to(tl.float32)
    if GATED:
        up = tl.sum(up_sums, 1)
        if HAS_BIAS:
            up += tl.load(bias + up_row, mask=is_row, other=0.0).to(tl.float32)
        result = silu(result) * up
    if ACTIVATION == "gelu":
        result = gelu(result)
    if HAS_RESIDUAL:
        result += tl.load(residual + row, mask=is_row, other=0.0).to(tl.float32)
    tl.store(output + row, result.to(output.dtype.element_ty), mask=is_row)
