"""Attention over the paged pool: what each new token gathers from the tokens up to itself.

One operation for everything a step does: a decoded token is a tile of one row, a piece of a prompt
is several tiles, and both may stand in one launch. Keys and values of the step's own tokens are in
the pool already.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimkernels.ref.precision import widen


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
    """Return softmax(q k^T * scale) v over the keys that each token sees.

    Shapes:
        queries:     [T, H, D]           bf16|fp16|fp32, contiguous, rotated
        keys_values: [2, S, Hkv, D]      dtype of queries, contiguous; 0 = keys, 1 = values
        positions:   [T]                 int64: place of each token in its own sequence
        tables:      [B, max_blocks]     int32: blocks of each sequence; others are not read
        tiles:       [N, 3]              int32: sequence, first row, number of rows; together every
                                         row once; sequence -1 = padding, where zeros are written
        returns:     [T, H * D]          dtype of queries

    Args:
        queries: Queries of the step's tokens.
        keys_values: Memory of one layer by slot.
        positions: Which keys a token sees: those at its own place and before.
        tables: Where the sequences' keys are.
        tiles: Which rows belong to which sequence.
        scale: Factor of the scores.
        block_tokens: Tokens in a block.
        tile_rows: Most rows of a tile; 1 promises that each sequence has one row, whose key is the
            only one of its sequence that this step writes.
        window: How many tokens a token sees, itself included; None = all before it.
        num_splits: Parts that the keys of a tile are read in at the same time; says nothing here.

    Returns:
        The gathered values of all heads, side by side.

    Source:
        Paged layout of arXiv:2309.06180; split keys of Flash-Decoding (Dao et al., 2023).
    """
    num_heads, head_dim = queries.shape[1:]
    num_kv_heads = keys_values.shape[2]
    group = num_heads // num_kv_heads
    output = queries.new_zeros(queries.shape)
    for owner, first, num_rows in tiles.tolist():
        if owner < 0 or num_rows == 0:
            continue
        rows = slice(first, first + num_rows)
        num_keys = int(positions[rows].max()) + 1
        place = torch.arange(num_keys, device=queries.device)
        slots = tables[owner].long()[place // block_tokens] * block_tokens + place % block_tokens
        keys, values = keys_values[:, slots].unbind(0)  # [S, Hkv, D]
        mine = queries[rows].view(num_rows, num_kv_heads, group, head_dim)
        scores = torch.einsum("tkgd,skd->tkgs", mine, keys) * scale
        place_of = positions[rows, None]
        hidden = place > place_of
        if window is not None:
            hidden |= place <= place_of - window
        scores = widen(scores).masked_fill(hidden[:, None, None], -torch.inf)
        weights = scores.softmax(-1).to(queries.dtype)
        gathered = torch.einsum("tkgs,skd->tkgd", weights, values)
        output[rows] = gathered.reshape(num_rows, num_heads, head_dim)
    return output.flatten(1)
