"""LoRA for rows with different adapters: shrink all tiles in one launch, expand all in another.

A tile's rows share one adapter, so its factors are read once per tile, and only as far as its rank
reaches. Programs of tiles without an adapter end at once. Both stages sum in fp32; what lies
between them is rounded to x's type, as the reference does. Meaning: `ref/lora.py`.

Tiles, ranks and factors are written between steps, never by a kernel in front, so they are read
before the wait for inputs.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next

MAX_BLOCK_K = 128
MAX_BLOCK_N, MANY_BLOCK_N = 64, 128
"""Columns of a program: fewer where there are few programs."""
MAX_FACTOR_BYTES = 32 << 10
"""Part of a factor that a program holds at once: several of them fit into shared memory."""
FEW_TILES = 8
"""Tiles up to which a product has programs to spare, and its inner axis is split further."""


@triton.jit
def load_tile(tiles, ranks):
    """Return a program's adapter, its rank (0 = nothing to do), first row and number of rows."""
    tile = tiles + 3 * tl.program_id(0)
    adapter = tl.load(tile).to(tl.int64)
    rank = tl.load(ranks + adapter, mask=adapter >= 0, other=0)
    return adapter, rank, tl.load(tile + 1).to(tl.int64), tl.load(tile + 2)


# What changes from step size to step size is no reason to compile a kernel anew.
@triton.jit(
    do_not_specialize=["num_rows", "steps_each"], do_not_specialize_on_alignment=["ranks", "tiles"]
)
def shrink_kernel(
    parts, x, down, ranks, tiles, num_rows, size, steps_each, x_stride,
    MAX_RANK: tl.constexpr, BLOCK_R: tl.constexpr, ROWS: tl.constexpr, BLOCK_K: tl.constexpr,
    PRECISION: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    split = tl.program_id(1)
    adapter, num_ranks, first_row, num_tile_rows = load_tile(tiles, ranks)
    await_inputs(EARLY)
    if num_ranks == 0:
        return
    row = first_row + tl.arange(0, ROWS)
    is_row = tl.arange(0, ROWS) < num_tile_rows
    rank = tl.arange(0, BLOCK_R)
    is_rank = rank < num_ranks
    acc = tl.zeros([ROWS, BLOCK_R], tl.float32)
    last_step = tl.minimum((split + 1) * steps_each, tl.cdiv(size, BLOCK_K))
    for step in range(split * steps_each, last_step):
        inner = step * BLOCK_K + tl.arange(0, BLOCK_K)
        is_inner = inner < size
        values = tl.load(
            x + row[:, None] * x_stride + inner[None, :],
            mask=is_row[:, None] & is_inner[None, :],
            other=0.0,
        )
        factors = tl.load(
            down + (adapter * size + inner[:, None]) * MAX_RANK + rank[None, :],
            mask=is_inner[:, None] & is_rank[None, :],
            other=0.0,
        )
        acc += tl.dot(values, factors, input_precision=PRECISION)
    place = (split.to(tl.int64) * num_rows + row[:, None]) * MAX_RANK + rank[None, :]
    tl.store(parts + place, acc, mask=is_row[:, None] & is_rank[None, :])


@triton.jit(do_not_specialize=["num_rows"], do_not_specialize_on_alignment=["ranks", "tiles"])
def expand_kernel(
    output, parts, up, ranks, tiles, num_rows, num_columns, output_stride,
    NUM_SPLITS: tl.constexpr, MAX_RANK: tl.constexpr, BLOCK_R: tl.constexpr, ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr, PRECISION: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    adapter, num_ranks, first_row, num_tile_rows = load_tile(tiles, ranks)
    if num_ranks == 0:
        await_inputs(EARLY)
        return
    rank = tl.arange(0, BLOCK_R)
    is_rank = rank < num_ranks
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_column = column < num_columns
    factors = tl.load(
        up + (adapter * MAX_RANK + rank[:, None]) * num_columns + column[None, :],
        mask=is_rank[:, None] & is_column[None, :],
        other=0.0,
    )
    await_inputs(EARLY)
    row = first_row + tl.arange(0, ROWS)
    is_row = tl.arange(0, ROWS) < num_tile_rows
    shrunk = tl.zeros([ROWS, BLOCK_R], tl.float32)
    for split in tl.static_range(NUM_SPLITS):
        place = (split * num_rows + row[:, None]) * MAX_RANK + rank[None, :]
        shrunk += tl.load(parts + place, mask=is_row[:, None] & is_rank[None, :], other=0.0)
    change = tl.dot(shrunk.to(up.dtype.element_ty), factors, input_precision=PRECISION)
    target = output + row[:, None] * output_stride + column[None, :]
    inside = is_row[:, None] & is_column[None, :]
    result = tl.load(target, mask=inside, other=0.0).to(tl.float32) + change
    tl.store(target, result.to(output.dtype.element_ty), mask=inside)


def add_lora(
    output: Tensor,
    x: Tensor,
    down: Tensor,
    up: Tensor,
    ranks: Tensor,
    tiles: Tensor,
    tile_rows: int,
) -> None:
    """Add what each tile's adapter changes, in place; see `ref.lora.add_lora`."""
    num_rows, size = x.shape
    max_rank, num_columns = up.shape[1:]
    num_tiles = tiles.shape[0]
    if num_tiles == 0 or num_rows == 0:
        return
    early = launches_early(x.device.type)
    block_r = max(16, triton.next_power_of_2(max_rank))
    most = MAX_FACTOR_BYTES // (block_r * up.element_size())
    block_k = min(MAX_BLOCK_K, most)
    block_n = min(MAX_BLOCK_N if num_tiles <= FEW_TILES else MANY_BLOCK_N, most)
    num_steps = triton.cdiv(size, block_k)
    steps_each = triton.cdiv(num_steps, min(16 if num_tiles <= FEW_TILES else 4, num_steps))
    num_splits = triton.cdiv(num_steps, steps_each)
    parts = empty_output((num_splits, num_rows, max_rank), torch.float32, x.device)
    shrink_kernel[(num_tiles, num_splits)](
        parts, x, down, ranks, tiles, num_rows, size, steps_each, x.stride(0),
        MAX_RANK=max_rank, BLOCK_R=block_r, ROWS=tile_rows, BLOCK_K=block_k, PRECISION="ieee",
        EARLY=early, num_warps=4, launch_pdl=early,
    )  # fmt: skip
    expand_kernel[(num_tiles, triton.cdiv(num_columns, block_n))](
        output, parts, up, ranks, tiles, num_rows, num_columns, output.stride(0),
        NUM_SPLITS=num_splits, MAX_RANK=max_rank, BLOCK_R=block_r, ROWS=tile_rows,
        BLOCK_N=block_n, PRECISION="ieee", EARLY=early, num_warps=4, launch_pdl=early,
    )  # fmt: skip
