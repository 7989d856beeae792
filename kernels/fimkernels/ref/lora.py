"""What LoRA adapters add to a layer's output when the rows of a step have different ones."""

from __future__ import annotations

from torch import Tensor


def add_lora(
    output: Tensor,
    x: Tensor,
    down: Tensor,
    up: Tensor,
    ranks: Tensor,
    tiles: Tensor,
    tile_rows: int,
) -> None:
    """Add x @ down[a] @ up[a] to the rows of each tile, a being its adapter, in place.

    Shapes:
        output: [T, N]     dtype of x, last axis contiguous; changed
        x:      [T, K]     bf16|fp16|fp32, last axis contiguous
        down:   [A, K, R]  dtype of x, contiguous; columns from an adapter's rank on are not read
        up:     [A, R, N]  dtype of x, contiguous; scales multiplied in; rows likewise
        ranks:  [A]        int32, 0 to R; an adapter of rank 0 changes nothing
        tiles:  [M, 3]     int32: adapter, first row, number of rows; -1 = none

    Args:
        output: What the layer computed without adapters.
        x: Its input.
        down: Factors of all adapters.
        up: Factors of all adapters.
        ranks: Rank of each adapter in this layer.
        tiles: Which rows have which adapter; rows of no tile stay as they are.
        tile_rows: Most rows of a tile: a power of two, from 16 on.

    Source:
        Segmented shrink and expand as in Punica (arXiv:2310.18547).
    """
    for adapter, first, num_rows in tiles.tolist():
        rank = 0 if adapter < 0 else int(ranks[adapter])
        if rank:
            rows = slice(first, first + min(num_rows, tile_rows))
            output[rows] += (x[rows] @ down[adapter, :, :rank]) @ up[adapter, :rank]
