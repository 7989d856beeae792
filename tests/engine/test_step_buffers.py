"""The tiles of a step's adapters: every row that has one, once, in as many as its bucket holds."""

from __future__ import annotations

import random
from typing import cast

from fimkernels.tiles import Tile
from fimserve.engine.kv_lease import Lease
from fimserve.engine.sequence import Sequence
from fimserve.engine.step_buckets import choose_bucket, shape_bucket
from fimserve.engine.step_buffers import plan_lora_tiles
from fimserve.engine.step_plan import WorkItem


def make_items(*sizes: int) -> list[WorkItem]:
    nobody = cast("tuple[Sequence, Lease]", (None, None))
    return [WorkItem(*nobody, 0, [0] * size, [], 1, size > 1, True) for size in sizes]


def test_neighbours_with_one_adapter_share_tiles() -> None:
    tiles = plan_lora_tiles(make_items(2, 1, 1, 1, 1, 1), [0, 3, 3, 1, 0, 3], tile_rows=16)
    assert tiles == [Tile(2, 2, 2), Tile(0, 4, 1), Tile(2, 6, 1)]


def test_long_runs_are_cut() -> None:
    tiles = plan_lora_tiles(make_items(40, 3), [2, 2], tile_rows=16)
    assert tiles == [Tile(1, 0, 16), Tile(1, 16, 16), Tile(1, 32, 11)]


def test_any_step_fits_its_bucket() -> None:
    dice = random.Random(1)
    for _ in range(300):
        most = dice.choice([1, 2, 30, 300])
        items = make_items(*(dice.randint(1, most) for _ in range(dice.choice([1, 2, 9, 64]))))
        slots = [dice.randint(0, 4) for _ in items]
        bucket = choose_bucket(items, has_adapters=True)
        if bucket is None:
            assert sum(len(item.token_ids) for item in items) > 2048
            continue
        shape = shape_bucket(bucket, 1, 16)
        tiles = plan_lora_tiles(items, slots, shape.lora_tile_rows)
        assert len(tiles) <= shape.num_lora_tiles
        rows = {
            row: tile.owner
            for tile in tiles
            for row in range(tile.first_row, tile.first_row + tile.num_rows)
        }
        owners = [slot - 1 for item, slot in zip(items, slots, strict=True) for _ in item.token_ids]
        assert rows == {row: owner for row, owner in enumerate(owners) if owner >= 0}
