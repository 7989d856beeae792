"""How the rows of a step are cut into the tiles that one program of a kernel works on.

A tile is (owner, first row, number of rows): rows of one sequence for attention, of one adapter for
LoRA. Owner -1 is padding: attention writes zeros there, LoRA nothing. Plain numbers, no tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PADDING = -1
"""Owner of rows that belong to nobody."""
LORA_TILE_ROWS, LONG_LORA_TILE_ROWS = 16, 64
"""Rows of a tile of one adapter: in a step of few rows, and in one of many."""


class Tile(NamedTuple):
    """Holds rows that one program works on."""

    owner: int
    """Sequence or adapter; `PADDING` for nobody's rows."""
    first_row: int
    """First row of the step."""
    num_rows: int
    """Number of rows, at least one unless it is padding."""


def plan_tiles(runs: Sequence[tuple[int, int]], max_rows: int) -> list[Tile]:
    """Return the tiles of runs of rows that lie end to end.

    Args:
        runs: Owner and number of rows of each run; `PADDING` for rows of nobody.
        max_rows: Most rows of a tile.

    Returns:
        Tiles that cover every row once, in order.
    """
    tiles: list[Tile] = []
    row = 0
    for owner, num_rows in runs:
        end = row + num_rows
        tiles += [
            Tile(owner, first, min(max_rows, end - first)) for first in range(row, end, max_rows)
        ]
        row = end
    return tiles


def count_tiles(num_rows: int, max_runs: int, max_rows: int) -> int:
    """Return the most tiles that so many rows in so many runs can need."""
    return min(num_rows, max_runs + num_rows // max_rows)
