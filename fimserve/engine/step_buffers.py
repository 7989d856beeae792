"""The memory that recorded steps of one bucket read and write: filled anew before each replay.

All integers of a step lie in one tensor, so a step is one copy to the device. The host's side is
pinned where there is a GPU, and there are two of it: while the device may still read one, the next
step is written into the other. Knows the layout of a step; nothing of models and graphs.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimkernels.tiles import PADDING, Tile, plan_tiles
from fimserve.engine.step_buckets import MAX_SEQUENCES, Bucket, BucketShape
from fimserve.engine.step_plan import WorkItem
from fimserve.models import PackedStep

_NUM_SIDES = 2


class StepBuffers:
    """Holds the inputs of one bucket.

    Args:
        bucket: Its sizes.
        shape: What they mean for the model.
        max_blocks: Blocks that one sequence may have.
        block_tokens: Tokens in a block.
        device: Where the model is.
    """

    def __init__(
        self,
        bucket: Bucket,
        shape: BucketShape,
        max_blocks: int,
        block_tokens: int,
        device: torch.device,
    ) -> None:
        rows = bucket.num_rows
        most = min(rows, MAX_SEQUENCES)
        self._shape, self._max_blocks, self._block_tokens = shape, max_blocks, block_tokens
        self._num_rows, self._max_sequences = rows, most
        sizes = [
            rows, rows, rows, most, 3 * shape.num_tiles, most * max_blocks,
            3 * shape.num_lora_tiles, most,
        ]  # fmt: skip
        self._on_device = torch.zeros(sum(sizes), dtype=torch.int32, device=device)
        is_pinned = device.type == "cuda"
        self._sides = [
            torch.zeros(sum(sizes), dtype=torch.int32, pin_memory=is_pinned)
            for _ in range(_NUM_SIDES)
        ]
        self._views = [torch.split(side, sizes) for side in self._sides]
        self._turn = 0
        ids, positions, slots, score_rows, tiles, tables, lora_tiles, ignores_end = torch.split(
            self._on_device, sizes
        )
        self.ignores_end = ignores_end
        """[R] int32: whether the row of a score belongs to a sequence that takes no end token."""
        self.step = PackedStep(
            token_ids=ids,
            positions=positions,
            slots=slots,
            tables=tables.view(most, max_blocks),
            tiles=tiles.view(-1, 3),
            score_rows=score_rows,
            tile_rows=shape.tile_rows,
            num_splits=shape.num_splits,
            lora_tiles=lora_tiles.view(-1, 3) if bucket.has_adapters else None,
            lora_tile_rows=shape.lora_tile_rows,
        )
        """The same memory, as the forward pass reads it."""

    def fill(self, items: Items[WorkItem], adapter_slots: Items[int]) -> None:
        """Write a step and send it on its way to the device; does not wait.

        Args:
            items: The step; it fits into the bucket.
            adapter_slots: Slot of each item's adapter; 0 = none.
        """
        self._turn = (self._turn + 1) % _NUM_SIDES
        ids, positions, slots, score_rows, tiles, tables, lora_tiles, ignores_end = (
            view.numpy() for view in self._views[self._turn]
        )
        ids[:], positions[:], slots[:], score_rows[:] = 0, 0, -1, 0
        table = tables.reshape(self._max_sequences, self._max_blocks)
        runs: list[tuple[int, int]] = []
        row, num_scores = 0, 0
        for number, item in enumerate(items):
            end = row + len(item.token_ids)
            places = range(item.start, item.start + len(item.token_ids))
            blocks = item.lease.blocks[: (places.stop - 1) // self._block_tokens + 1]
            ids[row:end], positions[row:end] = item.token_ids, places
            table[number, : len(blocks)] = blocks
            size = self._block_tokens
            slots[row:end] = [blocks[place // size] * size + place % size for place in places]
            score_rows[num_scores : num_scores + item.num_logits] = range(
                end - item.num_logits, end
            )
            ignores_end[num_scores : num_scores + item.num_logits] = item.sequence.ignores_end
            num_scores += item.num_logits
            runs.append((number, end - row))
            row = end
        runs.append((PADDING, self._num_rows - row))
        _write_tiles(tiles, plan_tiles(runs, self._shape.tile_rows))
        if len(lora_tiles):
            _write_tiles(
                lora_tiles, plan_lora_tiles(items, adapter_slots, self._shape.lora_tile_rows)
            )
        self._on_device.copy_(self._sides[self._turn], non_blocking=True)

    def feed(self, token_ids: Tensor, num_tokens: int) -> None:
        """Let the first rows' tokens be some that the device has chosen and nobody has read yet.

        Args:
            token_ids: Chosen tokens, on the device.
            num_tokens: How many of them.
        """
        self.step.token_ids[:num_tokens].copy_(token_ids[:num_tokens])


def plan_lora_tiles(
    items: Items[WorkItem], adapter_slots: Items[int], tile_rows: int
) -> list[Tile]:
    """Return the tiles of the rows that have an adapter; neighbours with one adapter share them.

    Args:
        items: The step.
        adapter_slots: Slot of each item's adapter; 0 = none.
        tile_rows: Most rows of a tile.

    Returns:
        Tiles whose owners are slots less one.
    """
    runs: list[tuple[int, int]] = []
    for item, slot in zip(items, adapter_slots, strict=True):
        owner, num_rows = slot - 1 if slot else PADDING, len(item.token_ids)
        if runs and runs[-1][0] == owner:
            num_rows += runs.pop()[1]
        runs.append((owner, num_rows))
    return [tile for tile in plan_tiles(runs, tile_rows) if tile.owner != PADDING]


def _write_tiles(target: NDArray[np.int32], tiles: list[Tile]) -> None:
    target[:] = 0
    target[0::3] = PADDING
    target[: 3 * len(tiles)] = [number for tile in tiles for number in tile]
