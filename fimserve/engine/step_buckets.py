"""Which of a few fixed sizes a step is padded to, so that its launch can be recorded once.

A bucket is a number of rows, whether each row is a sequence of its own, and how far the longest
sequence reaches. Plain numbers: no tensors, no device.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass

from fimkernels.tiles import count_tiles
from fimserve.engine.step_plan import WorkItem

ROWS = (1, 2, 4, 8, 16, 32, 64)
"""Rows of the buckets; larger steps are computed as they come."""
CONTEXTS = (512, 1024, 2048, 4096, 8192, 16384)
"""Reach of the longest sequence, in tokens; the last one stands for everything beyond."""
PROMPT_TILE_ROWS = 64
"""Query rows, times the heads that share a key head, of a tile in a piece of a prompt."""
NUM_PROGRAMS = 264
"""Programs that attention should consist of: two for each of an H100's 132 processors."""
MIN_SPLIT_TOKENS = 128
"""Keys that are worth a program of their own."""
MAX_SPLITS = 16
"""Parts that are worth joining again."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds the sizes of a step."""

    num_rows: int
    """Rows T, with padding."""
    is_decode: bool
    """Whether each sequence has one row."""
    context_tokens: int
    """Tokens that the longest sequence may reach, or more in the last bucket."""


@dataclass(frozen=True, slots=True)
class BucketShape:
    """Holds what follows from a bucket for one model."""

    tile_rows: int
    """Most rows of a tile."""
    num_tiles: int
    """Tiles, with padding."""
    num_splits: int
    """Parts of the keys of a tile."""


def choose_bucket(items: Items[WorkItem]) -> Bucket | None:
    """Return the smallest bucket that holds a step; None where it is too large for any.

    Args:
        items: What the step computes, at least one item.

    Returns:
        The bucket.
    """
    num_rows = sum(len(item.token_ids) for item in items)
    if num_rows > ROWS[-1]:
        return None
    reach = max(item.start + len(item.token_ids) for item in items)
    return Bucket(
        next(rows for rows in ROWS if rows >= num_rows),
        all(len(item.token_ids) == 1 for item in items),
        next((tokens for tokens in CONTEXTS if tokens >= reach), CONTEXTS[-1]),
    )


def shape_bucket(bucket: Bucket, group: int, num_kv_heads: int) -> BucketShape:
    """Return what a bucket means for a model.

    Args:
        bucket: The bucket.
        group: Query heads per key head.
        num_kv_heads: Key heads.

    Returns:
        Sizes of its tiles.
    """
    tile_rows = 1 if bucket.is_decode else max(1, PROMPT_TILE_ROWS // group)
    num_tiles = count_tiles(bucket.num_rows, bucket.num_rows, tile_rows)
    # Tiles that are padding do nothing, so only those of a few sequences are counted on.
    num_busy = num_tiles if bucket.is_decode else -(-bucket.num_rows // tile_rows)
    wanted = -(-NUM_PROGRAMS // (num_busy * num_kv_heads))
    num_splits = min(wanted, bucket.context_tokens // MIN_SPLIT_TOKENS, MAX_SPLITS)
    return BucketShape(tile_rows, num_tiles, max(1, num_splits))


def list_buckets(max_context_tokens: int, max_sequences: int) -> list[Bucket]:
    """Return every bucket that a model can need, the most usual first.

    Args:
        max_context_tokens: Tokens of the longest sequence.
        max_sequences: Sequences of a step at most.

    Returns:
        The buckets.
    """
    beyond = next((n for n, c in enumerate(CONTEXTS) if c >= max_context_tokens), None)
    contexts = CONTEXTS if beyond is None else CONTEXTS[: beyond + 1]
    most = next((rows for rows in ROWS if rows >= max_sequences), ROWS[-1])
    return [
        Bucket(rows, is_decode, context)
        for is_decode in (True, False)
        for rows in ROWS
        for context in contexts
        if (rows <= most if is_decode else rows > 1)
    ]
