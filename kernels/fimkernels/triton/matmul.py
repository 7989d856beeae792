"""Products of few rows with a weight matrix: as fast as the matrix can be read.

Few rows make the product a matter of reading the weights once. Each program takes some rows of the
matrix and walks along them in 16-byte loads; where the matrix is too small to fill the card, the
inner axis is split and a second kernel adds the parts, in a fixed order, so results repeat. Rows of
the matrix are the long side of the product (W x^T, not x W^T): 64 of them fill Hopper's matrix
unit, which 16 rows of x would not. One row of x is multiplied and summed without it. Codes become
numbers in registers; a scale is applied to the sums of its group, not to the weights.
Meaning: `ref/matmul.py`; forms: `packed_weight.py`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.packed_weight import PackedWeight
from fimkernels.ref.matmul import Activation
from fimkernels.triton.activations import gelu, silu
from fimkernels.tuning import Key, Launch, find_launch

MAX_ROWS = 64
"""Rows of x up to which these kernels are meant; above, a library's product is compute-bound."""


@triton.jit
def widen_codes(codes, kind: tl.constexpr, FORM: tl.constexpr):
    """Return codes as numbers of x's type; every code is exact in bf16."""
    if FORM == "dense":
        return codes
    if FORM == "fp8":
        return codes.to(tl.float16).to(kind)
    return codes.to(kind)


@triton.jit
def sum_tile(
    acc, codes, x, scale,
    IS_SCALED: tl.constexpr, USES_DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Add one tile of the product to the sums: [N, M] by the matrix unit, else [N, K] unsummed."""
    if USES_DOT:
        if IS_SCALED:
            acc += tl.dot(codes, x, input_precision=PRECISION) * scale[:, None]
        else:
            acc = tl.dot(codes, x, acc, input_precision=PRECISION)
    else:
        product = codes.to(tl.float32) * x.to(tl.float32)
        if IS_SCALED:
            product *= scale[:, None]
        acc += product
    return acc


@triton.jit
def add_products(
    acc, x, codes, scales, row, is_row, token, num_tokens, x_stride,
    size, num_groups, group, first_step, last_step,
    FORM: tl.constexpr, USES_DOT: tl.constexpr, IS_EVEN: tl.constexpr,
    BLOCK_K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Add to the sums what the steps of the inner axis give for some rows of the matrix."""
    kind: tl.constexpr = x.dtype.element_ty
    HALF: tl.constexpr = BLOCK_K // 2 if FORM == "int4" else BLOCK_K
    within = tl.arange(0, HALF)
    is_token = token < num_tokens
    scale = tl.full([acc.shape[0]], 1.0, tl.float32)
    for step in range(first_step, last_step):
        start = step * BLOCK_K
        if FORM == "int4":
            place = row[:, None] * (size // 2) + start // 2 + within[None, :]
        else:
            place = row[:, None] * size + start + within[None, :]
        column = start + within
        if IS_EVEN:
            read = tl.load(codes + place, mask=is_row[:, None], other=0.0)
        else:
            read = tl.load(
                codes + place, mask=is_row[:, None] & (column < size)[None, :], other=0.0
            )
        if FORM != "dense":
            scale = tl.load(scales + row * num_groups + start // group, mask=is_row, other=0.0)
        for part in tl.static_range(2 if FORM == "int4" else 1):
            inner = column + part * HALF
            if USES_DOT:
                source = x + token[None, :] * x_stride + inner[:, None]
                inside = is_token[None, :] & (inner < size)[:, None]
            else:
                source = x + token[:, None] * x_stride + inner[None, :]
                inside = is_token[:, None] & (inner < size)[None, :]
            values = tl.load(source, mask=inside, other=0.0)
            if FORM == "int4":
                nibbles = (read >> (4 * part)) & 0xF
                weights = (nibbles.to(tl.float32) - 8.0).to(kind)
            else:
                weights = widen_codes(read, kind, FORM)
            acc = sum_tile(acc, weights, values, scale, FORM != "dense", USES_DOT, PRECISION)
    return acc


@triton.jit
def multiply_kernel(
    output, x, codes, scales, bias, residual,
    num_tokens, num_rows, size, num_groups, group, steps_each, x_stride, residual_stride,
    FORM: tl.constexpr, ACTIVATION: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr, IS_PARTIAL: tl.constexpr, IS_EVEN: tl.constexpr,
    USES_DOT: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    split = tl.program_id(1)
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_column = column < num_rows
    row = column.to(tl.int64)
    token = tl.arange(0, BLOCK_M)
    num_steps = tl.cdiv(size, BLOCK_K)
    first_step = split * steps_each
    last_step = tl.minimum(first_step + steps_each, num_steps)
    WIDTH: tl.constexpr = BLOCK_M if USES_DOT else (BLOCK_K // 2 if FORM == "int4" else BLOCK_K)
    acc = tl.zeros([BLOCK_N, WIDTH], tl.float32)
    acc = add_products(
        acc, x, codes, scales, row, is_column, token, num_tokens, x_stride,
        size, num_groups, group, first_step, last_step,
        FORM, USES_DOT, IS_EVEN, BLOCK_K, PRECISION,
    )  # fmt: skip
    if not USES_DOT:
        acc = tl.sum(acc, 1)[:, None]
    inside = is_column[:, None] & (token < num_tokens)[None, :]
    place = token[None, :].to(tl.int64) * num_rows + row[:, None]  # [N, M]
    if IS_PARTIAL:
        tl.store(output + split.to(tl.int64) * num_tokens * num_rows + place, acc, mask=inside)
    else:
        if HAS_BIAS:
            acc += tl.load(bias + row, mask=is_column, other=0.0).to(tl.float32)[:, None]
        if ACTIVATION == "swiglu":
            up = tl.zeros([BLOCK_N, WIDTH], tl.float32)
            up = add_products(
                up, x, codes, scales, row + num_rows, is_column, token, num_tokens, x_stride,
                size, num_groups, group, first_step, last_step,
                FORM, USES_DOT, IS_EVEN, BLOCK_K, PRECISION,
            )  # fmt: skip
            if not USES_DOT:
                up = tl.sum(up, 1)[:, None]
            if HAS_BIAS:
                up += tl.load(bias + num_rows + row, mask=is_column, other=0.0).to(tl.float32)[
                    :, None
                ]
            acc = silu(acc) * up
        if ACTIVATION == "gelu":
            acc = gelu(acc)
        if HAS_RESIDUAL:
            source = residual + token[None, :].to(tl.int64) * residual_stride + row[:, None]
            acc += tl.load(source, mask=inside, other=0.0).to(tl.float32)
        tl.store(output + place, acc.to(output.dtype.element_ty), mask=inside)


@triton.jit
def finish_kernel(
    output, parts, bias, residual, num_tokens, num_columns, part_columns, residual_stride,
    NUM_SPLITS: tl.constexpr, ACTIVATION: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < num_columns
    source = parts + token * part_columns + column
    acc = tl.zeros([BLOCK], tl.float32)
    up = tl.zeros([BLOCK], tl.float32)
    for split in tl.static_range(NUM_SPLITS):
        part = source + split * num_tokens * part_columns  # far below 2^31: few rows
        acc += tl.load(part, mask=inside, other=0.0)
        if ACTIVATION == "swiglu":
            up += tl.load(part + num_columns, mask=inside, other=0.0)
    if HAS_BIAS:
        acc += tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
        if ACTIVATION == "swiglu":
            up += tl.load(bias + num_columns + column, mask=inside, other=0.0).to(tl.float32)
    if ACTIVATION == "swiglu":
        acc = silu(acc) * up
    if ACTIVATION == "gelu":
        acc = gelu(acc)
    if HAS_RESIDUAL:
        acc += tl.load(residual + token * residual_stride + column, mask=inside, other=0.0).to(
            tl.float32
        )
    tl.store(output + token * num_columns + column, acc.to(output.dtype.element_ty), mask=inside)


def multiply(
    x: Tensor,
    weight: PackedWeight,
    bias: Tensor | None = None,
    activation: Activation = "none",
    residual: Tensor | None = None,
) -> Tensor:
    """Return activation(x W^T + bias) + residual for at most 64 rows; see `ref.matmul.multiply`."""
    num_tokens, size = x.shape
    if num_tokens > MAX_ROWS:
        raise ValueError(f"x has {num_tokens} rows; these kernels take at most {MAX_ROWS}")
    num_columns = weight.num_rows // 2 if activation == "swiglu" else weight.num_rows
    output = empty_output((num_tokens, num_columns), x.dtype, x.device)
    if num_tokens == 0:
        return output
    launch = choose_launch(x, weight)
    block_k = fit_block_k(weight, launch.block_k)
    num_steps = triton.cdiv(size, block_k)
    steps_each = triton.cdiv(num_steps, min(launch.num_splits, num_steps))
    num_splits = triton.cdiv(num_steps, steps_each)
    is_partial = num_splits > 1
    target = output
    if is_partial:
        shape = (num_splits, num_tokens, weight.num_rows)
        target = empty_output(shape, torch.float32, x.device)
    part_columns = weight.num_rows if is_partial else num_columns
    residual_stride = 0 if residual is None else residual.stride(0)
    multiply_kernel[(triton.cdiv(part_columns, launch.block_n), num_splits)](
        target, x, weight.codes, x if weight.scales is None else weight.scales,
        x if bias is None else bias, x if residual is None else residual,
        num_tokens, part_columns, size, size // weight.group, weight.group, steps_each,
        x.stride(0), residual_stride,
        FORM=weight.form, ACTIVATION="none" if is_partial else activation,
        HAS_BIAS=bias is not None, HAS_RESIDUAL=residual is not None, IS_PARTIAL=is_partial,
        IS_EVEN=size % block_k == 0, USES_DOT=num_tokens > 1,
        BLOCK_M=1 if num_tokens == 1 else max(16, triton.next_power_of_2(num_tokens)),
        BLOCK_N=launch.block_n, BLOCK_K=block_k, PRECISION="ieee",
        num_warps=launch.num_warps, num_stages=launch.num_stages,
    )  # fmt: skip
    if is_partial:
        block = min(1024, triton.next_power_of_2(num_columns))
        finish_kernel[(num_tokens, triton.cdiv(num_columns, block))](
            output, target, x if bias is None else bias, x if residual is None else residual,
            num_tokens, num_columns, weight.num_rows, residual_stride,
            NUM_SPLITS=num_splits, ACTIVATION=activation, HAS_BIAS=bias is not None,
            HAS_RESIDUAL=residual is not None, BLOCK=block, num_warps=4,
        )  # fmt: skip
    return output


def launch_key(x: Tensor, weight: PackedWeight) -> Key:
    """Return what the launch of a product depends on."""
    rows = triton.next_power_of_2(x.shape[0])
    return (weight.form, str(x.dtype), rows, weight.num_rows, weight.num_columns, weight.group)


def choose_launch(x: Tensor, weight: PackedWeight) -> Launch:
    """Return how to launch a product; the default is a guess for a card of 132 processors."""
    # One row is summed in registers, which a tile of 64 x 128 codes overflows.
    block_n = 16 if x.shape[0] == 1 else 64
    num_programs = triton.cdiv(weight.num_rows, block_n)
    num_splits = max(1, min(8, 264 // num_programs))
    default = Launch(block_n, block_k=128, num_splits=num_splits, num_warps=4, num_stages=3)
    return find_launch("multiply", launch_key(x, weight), default)


def list_launches(weight: PackedWeight) -> list[Launch]:
    """Return the launches that are worth measuring for a matrix."""
    block_ks = [weight.group] if weight.form == "int4" else [64, 128, 256]
    return [
        Launch(block_n, block_k, num_splits, num_warps, num_stages)
        for block_n in (16, 32, 64, 128)
        for block_k in block_ks
        for num_splits in (1, 2, 4, 8)
        for num_warps, num_stages in ((4, 3), (4, 5), (8, 3))
        if 64 <= triton.cdiv(weight.num_rows, block_n) * num_splits <= 4096
    ]


def fit_block_k(weight: PackedWeight, block_k: int) -> int:
    """Return the block of the inner axis that stays inside one group of scales.

    Args:
        weight: The matrix.
        block_k: What the launch asks for.

    Returns:
        A power of two that divides the group, unless the group is the whole row.

    Raises:
        ValueError: If no block fits the matrix's groups.
    """
    group = weight.group
    if weight.form == "int4":
        if group < 32 or group & (group - 1):
            raise ValueError(f"group is {group}; int4 kernels take a power of two from 32 on")
        return group
    if group == weight.num_columns:
        return min(block_k, max(16, triton.next_power_of_2(group)))
    while group % block_k:
        block_k //= 2
    if block_k < 16:
        raise ValueError(f"group is {group}; kernels take a multiple of 16")
    return block_k
