"""Which query rows go through the attention kernel together, and which keys each of them sees.

A prompt goes in tiles, so that no tile reads keys behind itself: measured on 2 cores, fp32, 10
query heads on 2 key heads of 64, 1024 tokens took 8.2 ms in tiles of 256, 12.9 ms in one piece
and 8.1 ms by SDPA's `is_causal` with `enable_gqa`, which cannot continue a context; on one core in
steps of 256, tiles of 256, 128, 64 and 32 took 15.4, 14.7, 14.0 and 15.0 ms. Who sees whom depends
on distance alone, so one mask serves all tiles of a step: each takes a part of it.
Knows nothing of blocks or memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fimserve.models.forward_batch import Segment

TILE_TOKENS = 128
"""Query tokens that go through the kernel at once."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Holds query rows of one sequence and the keys they see."""

    start: int
    """First row of the batch."""
    end: int
    """Row behind the last."""
    first_key: int
    """First token of the sequence that a row of this tile sees."""
    keys: slice | None
    """Those keys, counted from the first key of the sequence's first tile; None = all."""
    mask: Tensor | None
    """[rows * G, keys] model dtype, added to the scores; None = every row sees every key."""


def plan_tiles(
    segments: Sequence[Segment],
    group: int,
    window: int | None,
    dtype: torch.dtype,
    device: torch.device,
) -> list[list[Tile]]:
    """Return the tiles of every sequence of a step.

    Args:
        segments: The sequences.
        group: Query heads per key head G; rows of the mask are token-major.
        window: How many tokens a token sees, itself included; None = all before it.
        dtype: Precision of the queries.
        device: Where to make the mask.

    Returns:
        Per sequence its tiles, in the order of the rows; at least one.
    """
    spans = [_split(segment, window) for segment in segments]
    masked = [span for tiles in spans for span in tiles if span.num_rows > 1]
    num_before = max((span.num_keys - span.num_rows for span in masked), default=0)
    mask: Tensor | None = None
    if masked:
        num_rows = max(span.num_rows for span in masked)
        mask = make_mask(num_rows, num_before, window, dtype, device)
        mask = mask.repeat_interleave(group, dim=0)
    plans: list[list[Tile]] = []
    for segment, tiles in zip(segments, spans, strict=True):
        origin = tiles[0].first_key
        plan: list[Tile] = []
        for span in tiles:
            keys = slice(span.first_key - origin, span.first_key - origin + span.num_keys)
            whole = keys.stop == segment.num_all - origin and keys.start == 0
            part = None
            if mask is not None and span.num_rows > 1:
                stop = num_before + span.num_rows
                part = _align(mask[: span.num_rows * group, stop - span.num_keys : stop])
            end = span.start + span.num_rows
            plan.append(Tile(span.start, end, span.first_key, None if whole else keys, part))
        plans.append(plan)
    return plans


def make_mask(
    num_tokens: int, num_before: int, window: int | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return what is added to the scores of some tokens over those before them and themselves.

    Shapes:
        returns: [num_tokens, num_before + num_tokens]  0 where a token may look, else -inf

    Args:
        num_tokens: Tokens that look.
        num_before: Tokens before the first of them.
        window: How many tokens a token sees, itself included; None = all before it.
        dtype: Precision of the result.
        device: Where to make it.

    Returns:
        The mask.
    """
    shape = (num_tokens, num_before + num_tokens)
    forbidden = torch.full(shape, -math.inf, dtype=dtype, device=device)
    mask = forbidden.triu(num_before + 1)
    return mask if window is None else mask + forbidden.tril(num_before - window)


def _align(mask: Tensor) -> Tensor:
    """Return a mask whose rows begin where CUDA's attention kernels can read them.

    They read 16 bytes at once; torch 2.11 pads a row of odd length, but takes a part of a wider
    mask as it is.
    """
    if mask.device.type == "cpu":
        return mask
    num_rows, num_keys = mask.shape
    aligned = mask.new_empty(num_rows, -(-num_keys // 16) * 16)[:, :num_keys]
    return aligned.copy_(mask)


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    num_rows: int
    first_key: int
    num_keys: int


def _split(segment: Segment, window: int | None) -> list[_Span]:
    spans: list[_Span] = []
    for offset in range(0, segment.num_tokens, TILE_TOKENS):
        num_rows = min(TILE_TOKENS, segment.num_tokens - offset)
        first_query = segment.num_context + offset
        first_key = 0 if window is None else max(0, first_query - window + 1)
        num_keys = first_query + num_rows - first_key
        spans.append(_Span(segment.start + offset, num_rows, first_key, num_keys))
    return spans
