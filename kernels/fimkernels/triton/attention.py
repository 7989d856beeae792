"""Paged attention: split keys, one launch for decoded tokens and pieces of prompts alike.

Each program takes a tile of query rows of one sequence, with all query heads of one key head folded
into the rows, and a part of the keys. Softmax runs online in base 2 (FlashAttention-2,
arXiv:2307.08691); parts are joined by a second kernel (Flash-Decoding). Keys are read through the
block table, so a tile of keys may lie in several blocks. Meaning: `ref/attention.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next
from fimkernels.triton.split_keys import LOG2_E, empty_parts, find_keys, join_parts
from fimkernels.tuning import Launch, find_launch


@triton.jit
def attend_tile(
    query, key_tile, value_tile, key, is_key, position, best, total, gathered, scale_log2,
    WINDOW: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Return the running maxima, sums and values [M, D] with one tile of keys [D, N] taken in."""
    scores = tl.dot(query, key_tile, input_precision=PRECISION) * scale_log2
    visible = (key[None, :] <= position[:, None]) & is_key[None, :]
    if WINDOW > 0:
        visible &= key[None, :] > position[:, None] - WINDOW
    scores = tl.where(visible, scores, float("-inf"))
    new_best = tl.maximum(best, tl.max(scores, 1))
    # A row that has seen no key yet: -inf minus -inf would be NaN.
    anchor = tl.where(new_best == float("-inf"), 0.0, new_best)
    weights = tl.exp2(scores - anchor[:, None])
    shrink = tl.exp2(best - anchor)
    total = total * shrink + tl.sum(weights, 1)
    gathered = gathered * shrink[:, None]
    gathered += tl.dot(weights.to(value_tile.dtype), value_tile, input_precision=PRECISION)
    return new_best, total, gathered


@triton.jit
def attend_kernel(
    output, log_sums, queries, keys, values, positions, tables, tiles,
    scale_log2, table_stride, num_tokens,
    WINDOW: tl.constexpr, GROUP: tl.constexpr, NUM_KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_TOKENS: tl.constexpr,
    TILE_ROWS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    NUM_SPLITS: tl.constexpr, PRECISION: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    # Tiles, positions and tables are inputs of the whole step: no kernel of the chain writes them.
    tile = tl.program_id(0)
    kv_head = tl.program_id(1)
    split = tl.program_id(2)
    sequence = tl.load(tiles + 3 * tile).to(tl.int64)
    first_row = tl.load(tiles + 3 * tile + 1).to(tl.int64)
    num_rows = tl.load(tiles + 3 * tile + 2)

    folded = tl.arange(0, BLOCK_M)
    row = folded // GROUP
    head = kv_head * GROUP + folded % GROUP
    is_row = (row < num_rows) & (folded < TILE_ROWS * GROUP)
    column = tl.arange(0, BLOCK_D)
    is_column = column < HEAD_DIM
    token = first_row + row
    # Padding sees no key, so that its rows come out as zeros.
    is_real = is_row & (row < tl.where(sequence >= 0, num_rows, 0))
    position = tl.load(positions + token, mask=is_real, other=-1).to(tl.int32)  # [M]

    last = tl.max(position, 0)
    end = last + 1
    begin = 0
    if WINDOW > 0:
        earliest = tl.min(tl.where(is_real, position, last), 0)
        begin = tl.maximum(earliest - WINDOW + 1, 0) // BLOCK_N * BLOCK_N
    num_steps = tl.cdiv(end - begin, BLOCK_N)
    steps_each = tl.cdiv(num_steps, NUM_SPLITS)
    start = begin + split * steps_each * BLOCK_N
    stop = tl.minimum(start + steps_each * BLOCK_N, end)

    table = tables + sequence * table_stride
    STRIDE: tl.constexpr = NUM_KV_HEADS * HEAD_DIM
    within = tl.arange(0, BLOCK_N)
    # A decoded token is the only key of its sequence that this step writes: all others can be
    # asked for before the kernel in front, which writes it, has ended.
    IS_DECODE: tl.constexpr = TILE_ROWS == 1
    if IS_DECODE:
        key = start + within
        is_old = key < tl.minimum(stop, last)
        source = find_keys(table, key, key < stop, STRIDE, BLOCK_TOKENS) + kv_head * HEAD_DIM
        key_tile = tl.load(
            keys + source[None, :] + column[:, None],
            mask=is_old[None, :] & is_column[:, None],
            other=0.0,
        )
        value_tile = tl.load(
            values + source[:, None] + column[None, :],
            mask=is_old[:, None] & is_column[None, :],
            other=0.0,
        )
    await_inputs(EARLY)
    place = token * (NUM_KV_HEADS * GROUP * HEAD_DIM) + head * HEAD_DIM  # [M]
    inside = is_row[:, None] & is_column[None, :]
    query = tl.load(queries + place[:, None] + column[None, :], mask=inside, other=0.0)

    best = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    gathered = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    first = start
    if IS_DECODE:
        is_new = (key == last) & (key < stop)
        key_tile += tl.load(
            keys + source[None, :] + column[:, None],
            mask=is_new[None, :] & is_column[:, None],
            other=0.0,
        )
        value_tile += tl.load(
            values + source[:, None] + column[None, :],
            mask=is_new[:, None] & is_column[None, :],
            other=0.0,
        )
        best, total, gathered = attend_tile(
            query, key_tile, value_tile, key, key < stop, position, best, total, gathered,
            scale_log2, WINDOW, PRECISION,
        )  # fmt: skip
        first = start + BLOCK_N
    for key_start in range(first, stop, BLOCK_N):
        key = key_start + within
        is_key = key < end
        source = find_keys(table, key, is_key, STRIDE, BLOCK_TOKENS) + kv_head * HEAD_DIM  # [N]
        # What was never written may be NaN, and zero times NaN is NaN: it is not read.
        key_tile = tl.load(
            keys + source[None, :] + column[:, None],
            mask=is_key[None, :] & is_column[:, None],
            other=0.0,
        )  # [D, N]
        value_tile = tl.load(
            values + source[:, None] + column[None, :],
            mask=is_key[:, None] & is_column[None, :],
            other=0.0,
        )  # [N, D]
        best, total, gathered = attend_tile(
            query, key_tile, value_tile, key, is_key, position, best, total, gathered,
            scale_log2, WINDOW, PRECISION,
        )  # fmt: skip

    result = gathered / tl.where(total > 0.0, total, 1.0)[:, None]
    if NUM_SPLITS == 1:
        target = output + place[:, None] + column[None, :]
        tl.store(target, result.to(output.dtype.element_ty), mask=inside)
    else:
        part = split.to(tl.int64) * num_tokens * (NUM_KV_HEADS * GROUP)
        target = output + part * HEAD_DIM + place[:, None] + column[None, :]
        tl.store(target, result, mask=inside)
        log_sum = best + tl.log2(tl.where(total > 0.0, total, 1.0))  # -inf where no key was seen
        tl.store(log_sums + part + token * (NUM_KV_HEADS * GROUP) + head, log_sum, mask=is_row)


def paged_attention(
    queries: Tensor,
    keys_values: Tensor,
    positions: Tensor,
    tables: Tensor,
    tiles: Tensor,
    *,
    scale: float,
    block_tokens: int,
    tile_rows: int,
    window: int | None = None,
    num_splits: int = 1,
) -> Tensor:
    """Return softmax(q k^T * scale) v over the keys seen; see `ref.attention.paged_attention`."""
    num_tokens, num_heads, head_dim = queries.shape
    num_kv_heads = keys_values.shape[2]
    group = num_heads // num_kv_heads
    output = empty_output((num_tokens, num_heads * head_dim), queries.dtype, queries.device)
    if num_tokens == 0:
        return output
    parts, log_sums = output, output
    if num_splits > 1:
        parts, log_sums = empty_parts(num_splits, num_tokens, num_heads, head_dim, queries.device)
    early = launches_early(queries.device.type)
    block_d = triton.next_power_of_2(head_dim)
    block_m = max(16, triton.next_power_of_2(tile_rows * group))  # the least that tl.dot takes
    is_decode = tile_rows == 1
    is_small = is_decode or queries.element_size() > 2  # fp32 fills the shared memory sooner
    default = Launch(block_n=32 if is_small else 64, num_warps=8 if block_m > 64 else 4)
    launch = find_launch(
        "attention",
        (str(queries.dtype), head_dim, block_m, is_decode, num_splits > 1),
        default,
    )
    attend_kernel[(tiles.shape[0], num_kv_heads, num_splits)](
        parts, log_sums, queries, keys_values[0], keys_values[1], positions, tables, tiles,
        scale * LOG2_E, tables.stride(0), num_tokens,
        WINDOW=window or 0, GROUP=group, NUM_KV_HEADS=num_kv_heads,
        HEAD_DIM=head_dim, BLOCK_D=block_d, BLOCK_TOKENS=block_tokens,
        TILE_ROWS=tile_rows, BLOCK_M=block_m, BLOCK_N=launch.block_n, NUM_SPLITS=num_splits,
        PRECISION="ieee", EARLY=early,
        num_warps=launch.num_warps, num_stages=launch.num_stages, launch_pdl=early,
    )  # fmt: skip
    if num_splits > 1:
        join_parts(output, parts, log_sums)
    return output
