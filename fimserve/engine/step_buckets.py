"""Which of a few fixed sizes a step is padded to, so that its launch can be recorded once.

A bucket is a number of rows, how they belong to sequences, and how far the longest sequence
reaches. Plain numbers: no tensors, no device.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Literal

from fimkernels.tiles import LONG_LORA_TILE_ROWS, LORA_TILE_ROWS, count_tiles
from fimserve.engine.step_plan import WorkItem
from fimserve.models import MAX_LONE_ROWS

ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048)
"""Rows of the buckets; larger steps are computed as they come."""
CONTEXTS = (512, 1024, 2048, 4096, 8192, 16384)
"""Reach of the longest sequence, in tokens; the last one stands for everything beyond."""
MAX_SEQUENCES = 64
"""Sequences of a step that fits a bucket, and rows of it whose scores are wanted."""
NUM_FINE_ROWS = 64
"""Rows from which on what a step costs hardly depends on the contexts: fewer of those are told
apart."""
PROMPT_TILE_ROWS = 64
"""Query rows, times the heads that share a key head, of a tile in a piece of a prompt; 128 were
slower."""
NUM_PROGRAMS, NUM_LONE_PROGRAMS = 264, 528
"""Programs that attention should consist of: two for each of an H100's 132 processors, or four
where one or two tokens are decoded and each program is small."""
MIN_SPLIT_TOKENS, MIN_LONE_SPLIT_TOKENS = 128, 64
"""Keys that are worth a program of their own."""
MAX_SPLITS, MAX_LONE_SPLITS = 16, 32
"""Parts that are worth joining again; each costs a row of fp32 for each row of the step."""

Layout = Literal["decode", "lone", "mixed"]
"""How rows belong to sequences: one each, all to the same, or any way."""
LAYOUTS: tuple[Layout, ...] = ("decode", "lone", "mixed")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds the sizes of a step."""

    num_rows: int
    """Rows T, with padding."""
    layout: Layout
    """How they belong to sequences."""
    context_tokens: int
    """Tokens that the longest sequence may reach, or more in the last bucket."""
    has_adapters: bool = False
    """Whether rows may have adapters; steps without any pay nothing for those that do."""


@dataclass(frozen=True, slots=True)
class BucketShape:
    """Holds what follows from a bucket for one model."""

    tile_rows: int
    """Most rows of a tile."""
    num_tiles: int
    """Tiles, with padding."""
    num_splits: int
    """Parts of the keys of a tile."""
    lora_tile_rows: int
    """Most rows of a tile of one adapter."""
    num_lora_tiles: int
    """Tiles of adapters, with padding; 0 where no row has one."""


def choose_bucket(items: Items[WorkItem], has_adapters: bool = False) -> Bucket | None:
    """Return the smallest bucket that holds a step; None where it is too large for any.

    Args:
        items: What the step computes, at least one item.
        has_adapters: Whether one of them has an adapter.

    Returns:
        The bucket.
    """
    num_rows = sum(len(item.token_ids) for item in items)
    num_scores = sum(item.num_logits for item in items)
    if num_rows > ROWS[-1] or max(num_scores, len(items)) > MAX_SEQUENCES:
        return None
    reach = max(item.start + len(item.token_ids) for item in items)
    rows = next(rows for rows in ROWS if rows >= num_rows)
    contexts = list_contexts(rows)
    layout: Layout = "mixed"
    if num_rows == len(items):
        layout = "decode"
    elif len(items) == 1 and rows <= NUM_FINE_ROWS:
        layout = "lone"
    return Bucket(
        rows,
        layout,
        next((tokens for tokens in contexts if tokens >= reach), contexts[-1]),
        has_adapters,
    )


def list_contexts(num_rows: int) -> tuple[int, ...]:
    """Return the reaches that steps of so many rows are told apart by."""
    return CONTEXTS if num_rows <= NUM_FINE_ROWS else CONTEXTS[3::2]


def shape_bucket(bucket: Bucket, group: int, num_kv_heads: int) -> BucketShape:
    """Return what a bucket means for a model.

    Args:
        bucket: The bucket.
        group: Query heads per key head.
        num_kv_heads: Key heads.

    Returns:
        Sizes of its tiles.
    """
    num_runs = 1 if bucket.layout == "lone" else MAX_SEQUENCES
    lora_rows = LORA_TILE_ROWS if bucket.num_rows <= NUM_FINE_ROWS else LONG_LORA_TILE_ROWS
    num_lora_tiles = count_tiles(bucket.num_rows, num_runs, lora_rows) if bucket.has_adapters else 0
    if bucket.layout == "decode" and bucket.num_rows <= MAX_LONE_ROWS:
        wanted = -(-NUM_LONE_PROGRAMS // (bucket.num_rows * num_kv_heads))
        most = bucket.context_tokens // MIN_LONE_SPLIT_TOKENS
        num_splits = max(1, min(wanted, most, MAX_LONE_SPLITS))
        return BucketShape(1, bucket.num_rows, num_splits, lora_rows, num_lora_tiles)
    tile_rows = 1 if bucket.layout == "decode" else max(2, PROMPT_TILE_ROWS // group)
    num_tiles = count_tiles(bucket.num_rows, num_runs + 1, tile_rows)  # padding is a run too
    # Tiles that are padding do nothing, so only those of a few sequences are counted on.
    num_busy = -(-bucket.num_rows // tile_rows)
    wanted = -(-NUM_PROGRAMS // (num_busy * num_kv_heads))
    most = bucket.context_tokens // MIN_SPLIT_TOKENS
    num_splits = max(1, min(wanted, most, MAX_SPLITS))
    return BucketShape(tile_rows, num_tiles, num_splits, lora_rows, num_lora_tiles)


def list_buckets(
    max_context_tokens: int,
    max_sequences: int,
    max_step_tokens: int,
    with_adapters: bool = False,
) -> list[Bucket]:
    """Return every bucket that a model can need, the most usual first.

    Args:
        max_context_tokens: Tokens of the longest sequence.
        max_sequences: Sequences of a step at most.
        max_step_tokens: Rows of a step at most.
        with_adapters: Whether steps may have adapters; each bucket is then there twice.

    Returns:
        The buckets.
    """
    most: dict[Layout, int] = {
        "decode": _fit(min(max_sequences, MAX_SEQUENCES)),
        "lone": _fit(min(max_step_tokens, NUM_FINE_ROWS)),
        "mixed": _fit(max_step_tokens),
    }
    return [
        Bucket(rows, layout, context, has_adapters)
        for has_adapters in ((False, True) if with_adapters else (False,))
        for layout in LAYOUTS
        for rows in ROWS
        if (1 if layout == "decode" else 2) <= rows <= most[layout]
        for context in _up_to(list_contexts(rows), max_context_tokens)
    ]


def _fit(num_rows: int) -> int:
    return next((rows for rows in ROWS if rows >= num_rows), ROWS[-1])


def _up_to(contexts: tuple[int, ...], max_tokens: int) -> tuple[int, ...]:
    beyond = next((n for n, context in enumerate(contexts) if context >= max_tokens), None)
    return contexts if beyond is None else contexts[: beyond + 1]
