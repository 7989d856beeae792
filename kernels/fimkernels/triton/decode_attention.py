"""From the projection of few decoded tokens to what they gather, where heads have own keys.

One query row is no work for the matrix unit; multiplying and summing in registers leaves room for
many programs on a processor, each asking for its keys and values before it waits for the
projection. Each program turns the query itself, which costs less than a kernel in front; the one
whose part of the keys ends with the token's own takes that from the projection and stores it. The
program of a head that comes last joins what all of them found. Meaning: `ref/decode_attention.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next
from fimkernels.triton.split_keys import LOG2_E, empty_parts, find_keys
from fimkernels.tuning import Launch, find_launch


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
def load_turned(
    projected, bias, cosine, sine, head, column, is_column,
    HAS_BIAS: tl.constexpr, HAS_ROTATION: tl.constexpr, HEAD_DIM: tl.constexpr,
):  # fmt: skip
    """Return one head [D] of a projected token, rotated, rounded to the projection's type."""
    place = head * HEAD_DIM + column
    own = tl.load(projected + place, mask=is_column, other=0.0).to(tl.float32)
    if HAS_BIAS:
        own += tl.load(bias + place, mask=is_column, other=0.0).to(tl.float32)
    if HAS_ROTATION:
        partner = tl.where(column < HEAD_DIM // 2, column + HEAD_DIM // 2, column - HEAD_DIM // 2)
        other_place = head * HEAD_DIM + partner
        other = tl.load(projected + other_place, mask=is_column, other=0.0).to(tl.float32)
        if HAS_BIAS:
            other += tl.load(bias + other_place, mask=is_column, other=0.0).to(tl.float32)
        own = own * cosine + other * sine
    return own.to(projected.dtype.element_ty)


@triton.jit
def decode_kernel(
    output, parts, log_sums, counters, projected, bias, cosines, sines, keys, values, slots,
    positions, tables, tiles, scale_log2, table_stride, num_tokens, projected_stride,
    rotation_stride,
    WINDOW: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ROTATION: tl.constexpr,
    NUM_HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, BLOCK_D: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr, BLOCK_N: tl.constexpr, NUM_SPLITS: tl.constexpr,
    BLOCK_S: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    # Slots, positions, tables, tiles and rotations are inputs of the whole step: no kernel of the
    # chain writes them.
    tile = tl.program_id(0)
    head = tl.program_id(1)
    split = tl.program_id(2)
    sequence = tl.load(tiles + 3 * tile).to(tl.int64)
    token = tl.load(tiles + 3 * tile + 1).to(tl.int64)
    num_rows = tl.load(tiles + 3 * tile + 2)
    # Padding sees no key, so that its row comes out as zeros.
    last = tl.load(positions + token).to(tl.int32)
    last = tl.where(sequence >= 0, tl.where(num_rows > 0, last, -1), -1)
    slot = tl.load(slots + token).to(tl.int64)
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
    is_column = column < HEAD_DIM
    within = tl.arange(0, BLOCK_N)
    key = start + within
    source = find_keys(table, key, key < stop, STRIDE, BLOCK_TOKENS) + head * HEAD_DIM
    place = source[:, None] + column[None, :]
    is_old = (key < tl.minimum(stop, last))[:, None] & is_column[None, :]
    key_tile = tl.load(keys + place, mask=is_old, other=0.0)
    value_tile = tl.load(values + place, mask=is_old, other=0.0)
    cosine, sine = 1.0, 0.0
    if HAS_ROTATION:
        angle = token * rotation_stride + column
        cosine = tl.load(cosines + angle, mask=is_column, other=0.0).to(tl.float32)
        sine = tl.load(sines + angle, mask=is_column, other=0.0).to(tl.float32)

    await_inputs(EARLY)
    mine = projected + token * projected_stride
    query = load_turned(
        mine, bias, cosine, sine, head, column, is_column, HAS_BIAS, HAS_ROTATION, HEAD_DIM
    )
    query = query.to(tl.float32) * scale_log2
    own_key = load_turned(
        mine, bias, cosine, sine, NUM_HEADS + head, column, is_column,
        HAS_BIAS, HAS_ROTATION, HEAD_DIM,
    )  # fmt: skip
    own_value = load_turned(
        mine, bias, cosine, sine, 2 * NUM_HEADS + head, column, is_column,
        HAS_BIAS, False, HEAD_DIM,
    )  # fmt: skip
    # Exactly one program of a head has the last key in its part; it stores it.
    is_storing = tl.where(start <= last, tl.where(last < stop, tl.where(slot >= 0, 1, 0), 0), 0)
    is_stored = column < HEAD_DIM * is_storing
    tl.store(keys + slot * STRIDE + head * HEAD_DIM + column, own_key, mask=is_stored)
    tl.store(values + slot * STRIDE + head * HEAD_DIM + column, own_value, mask=is_stored)

    best = tl.min(tl.where(within >= 0, float("-inf"), 0.0), 0)
    total = 0.0
    gathered = tl.zeros([BLOCK_D], tl.float32)
    is_own = (key == last)[:, None]
    best, total, gathered = take_in(
        query, tl.where(is_own, own_key[None, :], key_tile),
        tl.where(is_own, own_value[None, :], value_tile),
        key, key < stop, last, best, total, gathered, WINDOW,
    )  # fmt: skip
    for key_start in range(start + BLOCK_N, stop, BLOCK_N):
        key = key_start + within
        is_key = key < stop
        # What was never written may be NaN, and zero times NaN is NaN: it is not read.
        source = find_keys(table, key, is_key, STRIDE, BLOCK_TOKENS) + head * HEAD_DIM
        place = source[:, None] + column[None, :]
        is_old = (key < tl.minimum(stop, last))[:, None] & is_column[None, :]
        key_tile = tl.load(keys + place, mask=is_old, other=0.0)
        value_tile = tl.load(values + place, mask=is_old, other=0.0)
        is_own = (key == last)[:, None]
        best, total, gathered = take_in(
            query, tl.where(is_own, own_key[None, :], key_tile),
            tl.where(is_own, own_value[None, :], value_tile),
            key, is_key, last, best, total, gathered, WINDOW,
        )  # fmt: skip
    result = gathered / tl.where(total > 0.0, total, 1.0)
    row = token * NUM_HEADS + head
    is_written = column < tl.where(num_rows > 0, HEAD_DIM, 0)
    if NUM_SPLITS == 1:
        target = output + row * HEAD_DIM + column
        tl.store(target, result.to(output.dtype.element_ty), mask=is_written)
    elif num_rows > 0:
        own_place = split.to(tl.int64) * num_tokens * NUM_HEADS + row
        tl.store(parts + own_place * HEAD_DIM + column, result, mask=is_written)
        log_sum = best + tl.log2(tl.where(total > 0.0, total, 1.0))  # -inf where no key was seen
        tl.store(log_sums + own_place, log_sum)
        tl.debug_barrier()  # what all threads stored comes before the count
        if tl.atomic_add(counters + row, 1, sem="acq_rel") == NUM_SPLITS - 1:
            tl.store(counters + row, 0)  # for the next launch
            which = tl.arange(0, BLOCK_S)
            is_part = which < NUM_SPLITS
            places = which.to(tl.int64) * num_tokens * NUM_HEADS + row
            # Past the first-level cache, which may hold what stood there before.
            sums = tl.load(
                log_sums + places, mask=is_part, other=float("-inf"), cache_modifier=".cg"
            )
            highest = tl.max(sums, 0)
            weights = tl.exp2(sums - tl.where(highest == float("-inf"), 0.0, highest))  # [S]
            found = tl.load(
                parts + places[:, None] * HEAD_DIM + column[None, :],
                mask=is_part[:, None] & is_column[None, :],
                other=0.0,
                cache_modifier=".cg",
            )
            weight = tl.sum(weights, 0)
            joined = tl.sum(found * weights[:, None], 0) / tl.where(weight > 0.0, weight, 1.0)
            target = output + row * HEAD_DIM + column
            tl.store(target, joined.to(output.dtype.element_ty), mask=is_column)


def decode_attention(
    projected: Tensor,
    bias: Tensor | None,
    rotation: tuple[Tensor, Tensor] | None,
    keys_values: Tensor,
    slots: Tensor,
    positions: Tensor,
    tables: Tensor,
    tiles: Tensor,
    counters: Tensor,
    *,
    scale: float,
    block_tokens: int,
    window: int | None = None,
    num_splits: int = 1,
) -> Tensor:
    """Return what decoded tokens gather; see `ref.decode_attention.decode_attention`."""
    num_tokens = projected.shape[0]
    num_heads, head_dim = keys_values.shape[2:]
    output = empty_output((num_tokens, num_heads * head_dim), projected.dtype, projected.device)
    parts, log_sums = output, output
    if num_splits > 1:
        parts, log_sums = empty_parts(num_splits, num_tokens, num_heads, head_dim, projected.device)
    early = launches_early(projected.device.type)
    launch = find_launch(
        "decode_attention",
        (str(projected.dtype), head_dim, num_splits > 1),
        Launch(block_n=32, num_warps=4),
    )
    cosines, sines = (projected, projected) if rotation is None else rotation
    decode_kernel[(tiles.shape[0], num_heads, num_splits)](
        output, parts, log_sums, counters, projected, projected if bias is None else bias,
        cosines, sines,
        keys_values[0], keys_values[1], slots, positions, tables, tiles,
        scale * LOG2_E, tables.stride(0), num_tokens, projected.stride(0), cosines.stride(0),
        WINDOW=window or 0, HAS_BIAS=bias is not None, HAS_ROTATION=rotation is not None,
        NUM_HEADS=num_heads, HEAD_DIM=head_dim, BLOCK_D=triton.next_power_of_2(head_dim),
        BLOCK_TOKENS=block_tokens, BLOCK_N=launch.block_n, NUM_SPLITS=num_splits,
        BLOCK_S=triton.next_power_of_2(num_splits), EARLY=early,
        num_warps=launch.num_warps, launch_pdl=early,
    )  # fmt: skip
    return output
