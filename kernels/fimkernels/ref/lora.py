"""What LoRA adapters add to a layer's output when the rows of a step have different ones."""

from __future__ import annotations

from torch import Tensor


def add_lora(output: Tensor, x: Tensor, down: Tensor, up: Tensor, tiles: Tensor) -> None:
    """Add x @ down[a] @ up[a] to the rows of each tile, a being its adapter, in place.

    Shapes:
        output: [T, N]     dtype of x, last axis contiguous; changed
        x:      [T, K]     bf16|fp16|fp32, last axis contiguous
        down:   [A, K, R]  dtype of x, contiguous; ranks below R are padded with zeros
        up:     [A, R, N]  dtype of x, contiguous; scales multiplied in
        tiles:  [M, 3]     int32: adapter, first row, number of rows; -1 = none

    Args:
        output: What the layer computed without adapters.
        x: Its input.
        down: Factors of all adapters.
        up: Factors of all adapters.
        tiles: Which rows have which adapter; rows of no tile stay as they are.

    Source:
        Segmented shrink and expand as in Punica (arXiv:2310.18547).
    """
    for adapter, first, num_rows in tiles.tolist():
        if adapter >= 0:
            rows = slice(first, first + num_rows)
            output[rows] += (x[rows] @ down[adapter]) @ up[adapter]
