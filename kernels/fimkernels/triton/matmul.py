"""Products of few rows with a weight matrix: as fast as the matrix can be read.

Few rows make the product a matter of reading the weights once. Each program takes some rows of the
matrix and walks along them in 16-byte loads; where the matrix is too small to fill the card, the
inner axis is split and a second kernel adds the parts, in a fixed order, so results repeat. Rows of
the matrix are the long side of the product (W x^T, not x W^T): 64 of them fill Hopper's matrix
unit, which 16 rows of x would not. One row of x has a kernel of its own, `row_product.py`. Codes
become numbers in registers; a scale is applied to the sums of its group, not to the weights.
Meaning: `ref/matmul.py`; forms: `packed_weight.py`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.packed_weight import PackedWeight
from fimkernels.ref.matmul import Activation, NormOf
from fimkernels.triton.activations import gelu, silu
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next
from fimkernels.triton.row_product import multiply_row_kernel
from fimkernels.triton.widening import widen_codes
from fimkernels.tuning import Key, Launch, find_launch

MAX_ROWS = 64
"""Rows of x up to which these kernels are meant; above, a library's product is compute-bound."""


@triton.jit
def sum_tile(acc, codes, x, scale, IS_SCALED: tl.constexpr, PRECISION: tl.constexpr):
    """Return the sums [N, M] with one tile's products added."""
    if IS_SCALED:
        return acc + tl.dot(codes, x, input_precision=PRECISION) * scale[:, None]
    return tl.dot(codes, x, acc, input_precision=PRECISION)


@triton.jit
def add_products(
    acc, x, codes, scales, row, is_row, token, num_tokens, x_stride,
    size, num_groups, group, first_step, last_step,
    FORM: tl.constexpr, IS_EVEN: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr,
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
            source = x + token[None, :] * x_stride + inner[:, None]
            inside = is_token[None, :] & (inner < size)[:, None]
            values = tl.load(source, mask=inside, other=0.0)
            if FORM == "int4":
                nibbles = (read >> (4 * part)) & 0xF
                weights = (nibbles.to(tl.float32) - 8.0).to(kind)
            else:
                weights = widen_codes(read, kind, FORM)
            acc = sum_tile(acc, weights, values, scale, FORM != "dense", PRECISION)
    return acc


@triton.jit
def multiply_kernel(
    output, x, codes, scales, bias, residual,
    num_tokens, num_rows, size, num_groups, group, steps_each, x_stride, residual_stride,
    FORM: tl.constexpr, ACTIVATION: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr, IS_PARTIAL: tl.constexpr, IS_EVEN: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    PRECISION: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    await_inputs(EARLY)
    split = tl.program_id(1)
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_column = column < num_rows
    row = column.to(tl.int64)
    token = tl.arange(0, BLOCK_M)
    num_steps = tl.cdiv(size, BLOCK_K)
    first_step = split * steps_each
    last_step = tl.minimum(first_step + steps_each, num_steps)
    acc = tl.zeros([BLOCK_N, BLOCK_M], tl.float32)
    acc = add_products(
        acc, x, codes, scales, row, is_column, token, num_tokens, x_stride,
        size, num_groups, group, first_step, last_step,
        FORM, IS_EVEN, BLOCK_K, PRECISION,
    )  # fmt: skip
    inside = is_column[:, None] & (token < num_tokens)[None, :]
    place = token[None, :].to(tl.int64) * num_rows + row[:, None]  # [N, M]
    if IS_PARTIAL:
        tl.store(output + split.to(tl.int64) * num_tokens * num_rows + place, acc, mask=inside)
    else:
        if HAS_BIAS:
            acc += tl.load(bias + row, mask=is_column, other=0.0).to(tl.float32)[:, None]
        if ACTIVATION == "swiglu":
            up = tl.zeros([BLOCK_N, BLOCK_M], tl.float32)
            up = add_products(
                up, x, codes, scales, row + num_rows, is_column, token, num_tokens, x_stride,
                size, num_groups, group, first_step, last_step,
                FORM, IS_EVEN, BLOCK_K, PRECISION,
            )  # fmt: skip
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
    HAS_RESIDUAL: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    await_inputs(EARLY)
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
    norm: NormOf | None = None,
) -> Tensor:
    """Return activation(norm(x) W^T + bias) + residual for few rows; see `ref.matmul.multiply`.

    At most 64 rows; a norm in front for one row only.
    """
    num_tokens, size = x.shape
    if num_tokens > MAX_ROWS:
        raise ValueError(f"x has {num_tokens} rows; these kernels take at most {MAX_ROWS}")
    num_columns = weight.num_rows // 2 if activation == "swiglu" else weight.num_rows
    output = empty_output((num_tokens, num_columns), x.dtype, x.device)
    if num_tokens == 0:
        return output
    launch = choose_launch(x, weight)
    if num_tokens == 1:
        _multiply_row(output, x, weight, bias, activation, residual, norm, launch)
        return output
    if norm is not None:
        raise ValueError(f"x has {num_tokens} rows; the norm in front is computed for one only")
    early = launches_early(x.device.type)
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
        IS_EVEN=size % block_k == 0, BLOCK_M=block_rows(num_tokens),
        BLOCK_N=launch.block_n, BLOCK_K=block_k, PRECISION="ieee", EARLY=early,
        num_warps=launch.num_warps, num_stages=launch.num_stages, launch_pdl=early,
    )  # fmt: skip
    if is_partial:
        block = min(1024, triton.next_power_of_2(num_columns))
        finish_kernel[(num_tokens, triton.cdiv(num_columns, block))](
            output, target, x if bias is None else bias, x if residual is None else residual,
            num_tokens, num_columns, weight.num_rows, residual_stride,
            NUM_SPLITS=num_splits, ACTIVATION=activation, HAS_BIAS=bias is not None,
            HAS_RESIDUAL=residual is not None, BLOCK=block, EARLY=early,
            num_warps=4, launch_pdl=early,
        )  # fmt: skip
    return output


def _multiply_row(
    output: Tensor,
    x: Tensor,
    weight: PackedWeight,
    bias: Tensor | None,
    activation: Activation,
    residual: Tensor | None,
    norm: NormOf | None,
    launch: Launch,
) -> None:
    num_columns, size = output.shape[1], weight.num_columns
    early = launches_early(x.device.type)
    kind, gain, shift, eps = "none", x, x, 0.0
    if norm is not None:
        kind, gain, eps = "rms" if norm.bias is None else "layer", norm.weight, norm.eps
        shift = gain if norm.bias is None else norm.bias
    multiply_row_kernel[(triton.cdiv(num_columns, launch.block_n),)](
        output, x, gain, shift, weight.codes, x if weight.scales is None else weight.scales,
        x if bias is None else bias, x if residual is None else residual,
        num_columns, weight.group, eps,
        SIZE=size, BLOCK_S=triton.next_power_of_2(size), FORM=weight.form, NORM=kind,
        ACTIVATION=activation, HAS_BIAS=bias is not None, HAS_RESIDUAL=residual is not None,
        BLOCK_N=launch.block_n, BLOCK_K=fit_block_k(weight, launch.block_k), EARLY=early,
        num_warps=launch.num_warps, launch_pdl=early,
    )  # fmt: skip


def block_rows(num_tokens: int) -> int:
    """Return the rows of x that a product is compiled for: the matrix unit takes 16 at least."""
    return 1 if num_tokens == 1 else max(16, triton.next_power_of_2(num_tokens))


def launch_key(x: Tensor, weight: PackedWeight) -> Key:
    """Return what the launch of a product depends on."""
    rows = block_rows(x.shape[0])
    return (weight.form, str(x.dtype), rows, weight.num_rows, weight.num_columns, weight.group)


def choose_launch(x: Tensor, weight: PackedWeight) -> Launch:
    """Return how to launch a product; the default is a guess for a card of 132 processors."""
    if x.shape[0] == 1:
        default = Launch(block_n=2, block_k=2048, num_warps=8)
    else:
        num_splits = max(1, min(8, 264 // triton.cdiv(weight.num_rows, 64)))
        is_wide = x.element_size() > 2  # fp32 tiles fill the shared memory sooner
        default = Launch(64, 64 if is_wide else 128, num_splits, 4, 2 if is_wide else 4)
    return find_launch("multiply", launch_key(x, weight), default)


def list_launches(weight: PackedWeight, num_tokens: int) -> list[Launch]:
    """Return the launches that are worth measuring for a matrix and some rows."""
    if num_tokens == 1:
        return [
            Launch(block_n, block_k, num_warps=num_warps)
            for block_n, block_k, num_warps in (
                (2, 2048, 8), (2, 2048, 4), (4, 2048, 8), (2, 1024, 4), (4, 1024, 4),
                (2, 512, 2), (4, 512, 4), (8, 512, 4), (8, 1024, 8),
            )
        ]  # fmt: skip
    num_columns = weight.num_rows
    return [
        Launch(block_n, block_k, num_splits, num_warps, num_stages)
        for block_n, block_k, num_warps, num_stages in (
            (32, 128, 4, 4), (32, 256, 4, 3), (64, 64, 4, 5), (64, 128, 4, 3), (64, 128, 4, 5),
            (64, 256, 8, 3), (128, 64, 4, 4), (128, 128, 8, 3),
        )
        for num_splits in (1, 2, 4, 8)
        if 100 <= triton.cdiv(num_columns, block_n) * num_splits <= 700 or (
            num_splits == 1 and num_columns > 700 * block_n
        )
    ]  # fmt: skip


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
