"""Sampling, one program per row, nothing sorted: the thresholds are found by bisection.

How many weights, or how much weight, lies above a threshold only shrinks as it rises, so top_k and
top_p are each a search for one number. The bits of positive floats are ordered as the floats are:
31 halvings find the threshold exactly. A row's scores stay in the second-level cache meanwhile.
Greedy rows skip all of it. Meaning: `ref/sampling.py`.

Source: sorting-free sampling as in FlashInfer, by bisection instead of rejection.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output

BLOCK = 2048
FORBIDDEN = -1e30
"""Score of what the mask forbids: below every real one, and finite, so that nothing becomes NaN."""


@triton.jit
def load_scores(scores, mask, start, size, FORBIDDEN, HAS_MASK: tl.constexpr, BLOCK: tl.constexpr):
    """Return a block of scores, -inf behind the end."""
    token = start + tl.arange(0, BLOCK)
    inside = token < size
    value = tl.load(scores + token, mask=inside, other=float("-inf")).to(tl.float32)
    if HAS_MASK:
        word = tl.load(mask + token // 32, mask=inside, other=-1)
        value = tl.where((word >> (token % 32)) & 1 == 0, FORBIDDEN, value)
        value = tl.where(inside, value, float("-inf"))
    return value


@triton.jit
def weigh_scores(value, best, inverse, least):
    """Return the weights of some scores: 1 for the best, 0 below the least that is kept."""
    weight = tl.exp((value - best) * inverse)
    return tl.where(weight < least, 0.0, weight)


@triton.jit
def measure_above(
    scores, mask, size, best, inverse, least, threshold, FORBIDDEN,
    COUNTS: tl.constexpr, HAS_MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Return how many weights lie above a threshold, or how much they weigh."""
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, size, BLOCK):
        value = load_scores(scores, mask, start, size, FORBIDDEN, HAS_MASK, BLOCK)
        weight = weigh_scores(value, best, inverse, least)
        if COUNTS:
            total += tl.where(weight > threshold, 1.0, 0.0)
        else:
            total += tl.where(weight > threshold, weight, 0.0)
    return tl.sum(total, 0)


@triton.jit
def find_least(
    scores, mask, size, best, inverse, least, limit, FORBIDDEN,
    COUNTS: tl.constexpr, HAS_MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Return the smallest threshold above which lies less than the limit."""
    low = tl.full([], -1, tl.int32)  # here at least the limit lies above
    high = tl.full([], 0x3F800000, tl.int32)  # 1.0: nothing lies above
    for _ in range(31):
        middle = low + (high - low) // 2
        threshold = middle.to(tl.float32, bitcast=True)
        above = measure_above(
            scores, mask, size, best, inverse, least, threshold, FORBIDDEN, COUNTS, HAS_MASK, BLOCK
        )
        is_enough = above < limit
        searching = high - low > 1
        high = tl.where(searching & is_enough, middle, high)
        low = tl.where(searching & (above >= limit), middle, low)
    return high.to(tl.float32, bitcast=True)


@triton.jit
def sample_kernel(
    ids, logprobs, scores, mask, temperatures, top_ks, top_ps, min_ps, numbers,
    size, scores_stride, mask_stride, FORBIDDEN,
    HAS_MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    scores += row * scores_stride
    mask += row * mask_stride
    # The best allowed score and its id; the normaliser of all scores, allowed or not.
    best = tl.full([], float("-inf"), tl.float32)
    place = tl.full([], 0, tl.int32)
    top = tl.full([], float("-inf"), tl.float32)
    total = tl.full([], 0.0, tl.float32)
    for start in range(0, size, BLOCK):
        token = start + tl.arange(0, BLOCK)
        raw = tl.load(scores + token, mask=token < size, other=float("-inf")).to(tl.float32)
        new_top = tl.maximum(top, tl.max(raw, 0))
        total = total * tl.exp(top - new_top) + tl.sum(tl.exp(raw - new_top), 0)
        top = new_top
        value = load_scores(scores, mask, start, size, FORBIDDEN, HAS_MASK, BLOCK)
        block_best = tl.max(value, 0)
        first = tl.min(tl.where(value == block_best, token, size), 0)
        place = tl.where(block_best > best, first, place)
        best = tl.maximum(best, block_best)
    temperature = tl.load(temperatures + row)
    if temperature > 0.0:
        inverse = 1.0 / tl.maximum(temperature, 1e-6)  # an infinite one times zero is NaN
        least = tl.load(min_ps + row)
        top_k = tl.load(top_ks + row)
        if (top_k > 0) & (top_k < size):
            kept = find_least(
                scores, mask, size, best, inverse, least, top_k.to(tl.float32), FORBIDDEN,
                True, HAS_MASK, BLOCK,
            )  # fmt: skip
            least = tl.maximum(least, kept)
        top_p = tl.load(top_ps + row)
        if top_p < 1.0:
            share = top_p * measure_above(
                scores, mask, size, best, inverse, least, -1.0, FORBIDDEN, False, HAS_MASK, BLOCK
            )
            kept = find_least(
                scores, mask, size, best, inverse, least, share, FORBIDDEN, False, HAS_MASK, BLOCK
            )
            least = tl.maximum(least, kept)
        kept_weight = measure_above(
            scores, mask, size, best, inverse, least, -1.0, FORBIDDEN, False, HAS_MASK, BLOCK
        )
        target = tl.load(numbers + row) * kept_weight
        passed = tl.full([], 0.0, tl.float32)
        found = tl.full([], -1, tl.int32)
        last = place
        for start in range(0, size, BLOCK):
            token = start + tl.arange(0, BLOCK)
            value = load_scores(scores, mask, start, size, FORBIDDEN, HAS_MASK, BLOCK)
            weight = weigh_scores(value, best, inverse, least)
            sums = passed + tl.cumsum(weight, 0)
            hit = tl.min(tl.where((sums > target) & (weight > 0.0), token, size), 0)
            found = tl.where((found < 0) & (hit < size), hit, found)
            block_last = tl.max(tl.where(weight > 0.0, token, -1), 0)
            last = tl.where(block_last >= 0, block_last, last)
            passed += tl.sum(weight, 0)
        place = tl.where(found >= 0, found, last)
    tl.store(ids + row, place.to(tl.int64))
    chosen = tl.load(scores + place).to(tl.float32)
    tl.store(logprobs + row, chosen - top - tl.log(total))


def sample(
    scores: Tensor,
    mask: Tensor | None,
    temperatures: Tensor,
    top_ks: Tensor,
    top_ps: Tensor,
    min_ps: Tensor,
    numbers: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the chosen ids and their log-probabilities; see `ref.sampling.sample`."""
    num_rows, size = scores.shape
    ids = empty_output((num_rows,), torch.int64, scores.device)
    logprobs = empty_output((num_rows,), torch.float32, scores.device)
    if num_rows:
        sample_kernel[(num_rows,)](
            ids, logprobs, scores, top_ks if mask is None else mask,
            temperatures, top_ks, top_ps, min_ps, numbers,
            size, scores.stride(0), 0 if mask is None else mask.stride(0), FORBIDDEN,
            HAS_MASK=mask is not None, BLOCK=min(BLOCK, triton.next_power_of_2(size)), num_warps=8,
        )  # fmt: skip
    return ids, logprobs
