"""Attention of decoded tokens whose head has keys of its own: no matrix unit, keys read once.

One query row is no work for the matrix unit; multiplying and summing in registers leaves room for
many programs on a processor, each asking for its keys and values before it waits for the query.
Split keys, joined by the same second kernel as those of `attention.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from fimkernels.triton.early_launch import await_inputs, release_next


@triton.jit
def find_keys(table, key, is_key, STRIDE: tl.constexpr, BLOCK_TOKENS: tl.constexpr):
    """Return where the keys [N] of a sequence begin in the memory of one layer."""
    block = tl.load(table + key // BLOCK_TOKENS, mask=is_key, other=0).to(tl.int64)
    return (block * BLOCK_TOKENS + key % BLOCK_TOKENS) * STRIDE


@triton.jit
def take_in(
    query, key_tile, value_tile, key, is_key, last, best, total, gathered, WINDOW: tl.constexpr
):
    """Return running maximum, sum and values [D] with one tile of keys [N, D] taken in."""
    scores = tl.sum(key_tile.to(tl.float32) * query[None, :], 1)
    visible = is_key & (key <= last)
    if WINDOW > 0:
        visible &= key > last - WINDOW
    scores = tl.where(visible, scores, float("-inf"))
    new_best = tl.maximum(best, tl.max(scores, 0))
    # Where no key was seen yet: -inf minus -inf would be NaN.
    anchor = tl.where(new_best == float("-inf"), 0.0, new_best)
    weights = tl.exp2(scores - anchor)
    shrink = tl.exp2(best - anchor)
    total = total * shrink + tl.sum(weights, 0)
    gathered = gathered * shrink + tl.sum(weights[:, None] * value_tile.to(tl.float32), 0)
    return new_best, total, gathered


@triton.jit
def decode_kernel(
    output, log_sums, queries, keys, values, positions, tables, tiles,
    scale_log2, table_stride, num_tokens,
    WINDOW: tl.constexpr, NUM_HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, BLOCK_D: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr, BLOCK_N: tl.constexpr, NUM_SPLITS: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    # Tiles, positions and tables are inputs of the whole step: no kernel of the chain writes them.
    tile = tl.program_id(0)
    head = tl.program_id(1)
    split = tl.program_id(2)
    sequence = tl.load(tiles + 3 * tile).to(tl.int64)
    token = tl.load(tiles + 3 * tile + 1).to(tl.int64)
    num_rows = tl.load(tiles + 3 * tile + 2)
    # Padding sees no key, so that its row comes out as zeros.
    last = tl.load(positions + token).to(tl.int32)
    last = tl.where(sequence >= 0, tl.where(num_rows > 0, last, -1), -1)
    end = last + 1
    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(end - WINDOW, 0) // BLOCK_N * BLOCK_N
    num_steps = tl.cdiv(end - begin, BLOCK_N)
    steps_each = tl.cdiv(num_steps, NUM_SPLITS)
    start = begin + split * steps_each * BLOCK_N
    stop = tl.minimum(start + steps_each * BLOCK_N, end)

    table = tables + sequence * table_stride
    STRIDE: tl.constexpr = NUM_HEADS * HEAD_DIM
    column = tl.arange(0, BLOCK_D)
    is_column = (column < HEAD_DIM)[None, :]
    within = tl.arange(0, BLOCK_N)
    # The token's own key is the only one of its sequence that this step writes: all others can be
    # asked for before the kernel in front, which writes it, has ended.
    key = start + within
    is_key = key < stop
    source = find_keys(table, key, is_key, STRIDE, BLOCK_TOKENS) + head * HEAD_DIM
    place = source[:, None] + column[None, :]
    is_old = (key < tl.minimum(stop, last))[:, None] & is_column
    key_tile = tl.load(keys + place, mask=is_old, other=0.0)
    value_tile = tl.load(values + place, mask=is_old, other=0.0)
    await_inputs(EARLY)
    row = (token * NUM_HEADS + head) * HEAD_DIM
    query = tl.load(queries + row + column, mask=column < HEAD_DIM, other=0.0).to(tl.float32)
    query *= scale_log2
    is_new = (is_key & (key == last))[:, None] & is_column
    key_tile += tl.load(keys + place, mask=is_new, other=0.0)
    value_tile += tl.load(values + place, mask=is_new, other=0.0)
    best = tl.min(tl.where(within >= 0, float("-inf"), 0.0), 0)
    total = 0.0
    gathered = tl.zeros([BLOCK_D], tl.float32)
    best, total, gathered = take_in(
        query, key_tile, value_tile, key, is_key, last, best, total, gathered, WINDOW
    )
    for key_start in range(start + BLOCK_N, stop, BLOCK_N):
        key = key_start + within
        is_key = key < stop
        # What was never written may be NaN, and zero times NaN is NaN: it is not read.
        source = find_keys(table, key, is_key, STRIDE, BLOCK_TOKENS) + head * HEAD_DIM
        place = source[:, None] + column[None, :]
        is_read = is_key[:, None] & is_column
        key_tile = tl.load(keys + place, mask=is_read, other=0.0)
        value_tile = tl.load(values + place, mask=is_read, other=0.0)
        best, total, gathered = take_in(
            query, key_tile, value_tile, key, is_key, last, best, total, gathered, WINDOW
        )
    result = gathered / tl.where(total > 0.0, total, 1.0)
    is_written = column < tl.where(num_rows > 0, HEAD_DIM, 0)
    if NUM_SPLITS == 1:
        tl.store(output + row + column, result.to(output.dtype.element_ty), mask=is_written)
    else:
        part = split.to(tl.int64) * num_tokens * NUM_HEADS
        tl.store(output + part * HEAD_DIM + row + column, result, mask=is_written)
        log_sum = best + tl.log2(tl.where(total > 0.0, total, 1.0))  # -inf where no key was seen
        one = tl.arange(0, 1)
        target = log_sums + part + token * NUM_HEADS + head + one
        tl.store(target, log_sum + one, mask=one < num_rows)
