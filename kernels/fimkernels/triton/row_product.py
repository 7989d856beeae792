"""The product of one row with a weight matrix: as fast as the weights can be read.

Each program takes a few rows of the matrix, multiplies in fp32 without the matrix unit and sums at
the end. It asks for its first tile of weights before it waits for its inputs, so the memory is busy
while the kernels in front of it finish: the weights are most of what a step reads. The norm in
front of a product is computed again by each program, which costs less than a kernel of its own.
Meaning: `ref/matmul.py`.
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
def load_row(
    x, norm_weight, norm_bias, mean, factor, column,
    SIZE: tl.constexpr, NORM: tl.constexpr,
):  # fmt: skip
    """Return some columns of x, normed, in fp32 and rounded as a norm of its own would round."""
    inside = column < SIZE
    value = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
    if NORM != "none":
        kind: tl.constexpr = x.dtype.element_ty
        gain = tl.load(norm_weight + column, mask=inside, other=0.0).to(tl.float32)
        if NORM == "rms":
            value = (value * factor).to(kind).to(tl.float32) * gain
        else:
            shift = tl.load(norm_bias + column, mask=inside, other=0.0).to(tl.float32)
            value = (value - mean) * factor * gain + shift
        value = value.to(kind).to(tl.float32)
    return value


@triton.jit
def add_tile(acc, tile, scale, value, part: tl.constexpr, kind: tl.constexpr, FORM: tl.constexpr):
    """Return the sums [N, K] with one tile's products added."""
    if FORM == "int4":
        weight = ((tile >> (4 * part)) & 0xF).to(tl.float32) - 8.0
    else:
        weight = widen_codes(tile, kind, FORM).to(tl.float32)
    product = weight * value[None, :]
    if FORM != "dense":
        product *= scale[:, None]
    return acc + product


@triton.jit
def add_tiles(
    sums, up_sums, tile, up_tile, scale, up_scale, x, norm_weight, norm_bias, mean, factor, start,
    SIZE: tl.constexpr, FORM: tl.constexpr, NORM: tl.constexpr, GATED: tl.constexpr,
    WIDTH: tl.constexpr,
):  # fmt: skip
    """Return the sums, and those of the gated half, with one tile of each taken in."""
    kind: tl.constexpr = x.dtype.element_ty
    for part in tl.static_range(2 if FORM == "int4" else 1):
        column = start + part * WIDTH + tl.arange(0, WIDTH)
        value = load_row(x, norm_weight, norm_bias, mean, factor, column, SIZE, NORM)
        sums = add_tile(sums, tile, scale, value, part, kind, FORM)
        if GATED:
            up_sums = add_tile(up_sums, up_tile, up_scale, value, part, kind, FORM)
    return sums, up_sums


@triton.jit
def measure_row(x, eps, SIZE: tl.constexpr, BLOCK_S: tl.constexpr, NORM: tl.constexpr):
    """Return the mean of a row and the factor that makes its spread one."""
    column = tl.arange(0, BLOCK_S)
    inside = column < SIZE
    row = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
    mean = 0.0
    if NORM == "layer":
        mean = tl.sum(row, 0) / SIZE
        row = tl.where(inside, row - mean, 0.0)
    return mean, 1.0 / tl.sqrt_rn(tl.sum(row * row, 0) / SIZE + eps)


@triton.jit
def multiply_row_kernel(
    output, x, norm_weight, norm_bias, codes, scales, bias, residual, num_rows, group, eps,
    SIZE: tl.constexpr, BLOCK_S: tl.constexpr, FORM: tl.constexpr, NORM: tl.constexpr,
    ACTIVATION: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, EARLY: tl.constexpr,
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
    else:
        up_tile, up_scale = tile, scale
    await_inputs(EARLY)
    mean, factor = 0.0, 1.0
    if NORM != "none":
        mean, factor = measure_row(x, eps, SIZE, BLOCK_S, NORM)
    sums = tl.zeros([BLOCK_N, WIDTH], tl.float32)
    up_sums = tl.zeros([BLOCK_N, WIDTH], tl.float32)
    sums, up_sums = add_tiles(
        sums, up_sums, tile, up_tile, scale, up_scale, x, norm_weight, norm_bias, mean, factor,
        0, SIZE, FORM, NORM, GATED, WIDTH,
    )  # fmt: skip
    for start in range(BLOCK_K, SIZE, BLOCK_K):
        tile = load_tile(codes, row, is_row, start, SIZE, FORM, BLOCK_K)
        scale = load_scale(scales, row, is_row, start, group, SIZE, FORM)
        if GATED:
            up_tile = load_tile(codes, up_row, is_row, start, SIZE, FORM, BLOCK_K)
            up_scale = load_scale(scales, up_row, is_row, start, group, SIZE, FORM)
        else:
            up_tile, up_scale = tile, scale
        sums, up_sums = add_tiles(
            sums, up_sums, tile, up_tile, scale, up_scale, x, norm_weight, norm_bias, mean, factor,
            start, SIZE, FORM, NORM, GATED, WIDTH,
        )  # fmt: skip
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
