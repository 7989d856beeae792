"""Attention of decoded tokens from their projection on: rotation, storing, gathering in one go."""

from __future__ import annotations

from torch import Tensor

from fimkernels.ref.attention import paged_attention
from fimkernels.ref.rope import rotate_and_store


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
    """Return what decoded tokens gather; store their keys and values.

    Shapes:
        projected: [T, 3 * H * D]  as in `rotate_and_store`; every head has keys of its own
        counters:  [T * H]         int32, all zero before and after; written
        others:    as in `rotate_and_store` and `paged_attention`
        returns:   [T, H * D]      dtype of projected

    Args:
        projected: What the projection put out for one token of each sequence.
        bias: Its bias; None = none.
        rotation: Cosines and signed sines of each token; None = positions are not rotated in.
        keys_values: Memory of one layer by slot; written.
        slots: Where each token's keys and values go; -1 stores nothing.
        positions: Place of each token in its own sequence.
        tables: Where the sequences' keys are.
        tiles: One row each: which sequence a token belongs to.
        counters: Memory by which programs know which of them is the last; says nothing here.
        scale: Factor of the scores.
        block_tokens: Tokens in a block.
        window: How many tokens a token sees, itself included; None = all before it.
        num_splits: Parts that the keys are read in at the same time; says nothing here.

    Returns:
        The gathered values of all heads, side by side.
    """
    num_heads = keys_values.shape[2]
    queries = rotate_and_store(projected, bias, rotation, keys_values, slots, num_heads)
    return paged_attention(
        queries,
        keys_values,
        positions,
        tables,
        tiles,
        scale=scale,
        block_tokens=block_tokens,
        tile_rows=1,
        window=window,
        num_splits=num_splits,
    )
