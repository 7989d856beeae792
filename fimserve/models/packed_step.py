"""One step as tensors of fixed sizes, for kernels that take all sequences in one launch.

Rows beyond the step's own are padding: they store nothing and are attended to by nobody. Everything
that changes from step to step is in the tensors, so the same launch serves any step of its size.
Knows nothing of sequences' owners, of graphs or of how the tensors were filled.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class PackedStep:
    """Holds the tokens of one step and where their keys and values are."""

    token_ids: Tensor
    """[T] integer; padding may be any token."""
    positions: Tensor
    """[T] integer: place of each token in its own sequence."""
    slots: Tensor
    """[T] integer: where keys and values are written; -1 = padding."""
    tables: Tensor
    """[B, max_blocks] int32: blocks of each sequence."""
    tiles: Tensor
    """[N, 3] int32: sequence, first row, number of rows; see `fimkernels.tiles`."""
    score_rows: Tensor
    """[R] integer: rows whose scores are wanted."""
    tile_rows: int
    """Most rows of a tile."""
    num_splits: int
    """Parts that attention reads the keys in at the same time."""
    lora_tiles: Tensor | None
    """[M, 3] int32: adapter's slot less one, first row, number of rows, or -1 and padding; None =
    no row of any such step has an adapter."""
    lora_tile_rows: int
    """Most rows of a tile of an adapter."""
