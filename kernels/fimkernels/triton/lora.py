"""LoRA for rows with different adapters: shrink all tiles in one launch, expand all in another.

A tile's rows share one adapter, so its factors are read once per tile. Programs of tiles without an
adapter end at once. Both stages sum in fp32; what lies between them is rounded to x's type, as the
reference does. Meaning: `ref/lora.py`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output

TILE_ROWS = 16
"""Most rows of a tile, and the least that tl.dot takes."""
BLOCK_K, BLOCK_N = 64, 64


@triton.jit
def shrink_kernel(
    parts, x, down, tiles, num_rows, size, steps_each, x_stride,
    RANK: tl.constexpr, BLOCK_R: tl.constexpr, ROWS: tl.constexpr, BLOCK_K: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    tile, split = tl.program_id(0), tl.program_id(1)
    adapter = tl.load(tiles + 3 * tile).to(tl.int64)
    if adapter < 0:
        return
    row = tl.load(tiles + 3 * tile + 1).to(tl.int64) + tl.arange(0, ROWS)
    is_row = tl.arange(0, ROWS) < tl.load(tiles + 3 * tile + 2)
    rank = tl.arange(0, BLOCK_R)
    is_rank = rank < RANK
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
            down + (adapter * size + inner[:, None]) * RANK + rank[None, :],
            mask=is_inner[:, None] & is_rank[None, :],
            other=0.0,
        )
        acc += tl.dot(values, factors, input_precision=PRECISION)
    place = (split.to(tl.int64) * num_rows + row[:, None]) * RANK + rank[None, :]
    tl.store(parts + place, acc, mask=is_row[:, None] & is_rank[None, :])


@triton.jit
def expand_kernel(
    output, parts, up, tiles, num_rows, num_columns, output_stride,
    NUM_SPLITS: tl.constexpr, RANK: tl.constexpr, BLOCK_R: tl.constexpr, ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(0)
    adapter = tl.load(tiles + 3 * tile).to(tl.int64)
    if adapter < 0:
        return
    row = tl.load(tiles + 3 * tile + 1).to(tl.int64) + tl.arange(0, ROWS)
    is_row = tl.arange(0, ROWS) < tl.load(tiles + 3 * tile + 2)
    rank = tl.arange(0, BLOCK_R)
    is_rank = rank < RANK
    shrunk = tl.zeros([ROWS, BLOCK_R], tl.float32)
    for split in tl.static_range(NUM_SPLITS):
        place = (split * num_rows + row[:, None]) * RANK + rank[None, :]
        shrunk += tl.load(parts + place, mask=is_row[:, None] & is_rank[None, :], other=0.0)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_column = column < num_columns
    factors = tl.load(
        up + (adapter * RANK + rank[:, None]) * num_columns + column[None, :],
        mask=is_rank[:, None] & is_column[None, :],
        other=0.0,
    )
    change = tl.dot(shrunk.to(up.dtype.element_ty), factors, input_precision=PRECISION)
    target = output + row[:, None] * output_stride + column[None, :]
    inside = is_row[:, None] & is_column[None, :]
    result = tl.load(target, mask=inside, other=0.0).to(tl.float32) + change
    tl.store(target, result.to(output.dtype.element_ty), mask=inside)


def add_lora(output: Tensor, x: Tensor, down: Tensor, up: Tensor, tiles: Tensor) -> None:
    """Add what each tile's adapter changes, in place; see `ref.lora.add_lora`."""
    num_rows, size = x.shape
    rank, num_columns = up.shape[1:]
    num_tiles = tiles.shape[0]
    if num_tiles == 0 or num_rows == 0:
        return
    block_r = max(16, triton.next_power_of_2(rank))
    num_steps = triton.cdiv(size, BLOCK_K)
    steps_each = triton.cdiv(num_steps, min(8, num_steps))
    num_splits = triton.cdiv(num_steps, steps_each)
    parts = empty_output((num_splits, num_rows, rank), torch.float32, x.device)
    shrink_kernel[(num_tiles, num_splits)](
        parts, x, down, tiles, num_rows, size, steps_each, x.stride(0),
        RANK=rank, BLOCK_R=block_r, ROWS=TILE_ROWS, BLOCK_K=BLOCK_K, PRECISION="ieee", num_warps=4,
    )  # fmt: skip
    expand_kernel[(num_tiles, triton.cdiv(num_columns, BLOCK_N))](
        output, parts, up, tiles, num_rows, num_columns, output.stride(0),
        NUM_SPLITS=num_splits, RANK=rank, BLOCK_R=block_r, ROWS=TILE_ROWS, BLOCK_N=BLOCK_N,
        PRECISION="ieee", num_warps=4,
    )  # fmt: skip
