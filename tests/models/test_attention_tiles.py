"""Who may look at whom, against the rule written out token by token."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fimserve.models import Segment, attention_tiles
from fimserve.models.attention_tiles import make_mask, plan_tiles

CPU = torch.device("cpu")
WINDOWS = st.none() | st.integers(1, 20)


@given(st.integers(1, 9), st.integers(0, 9), WINDOWS)
def test_the_mask_equals_the_rule(num_tokens: int, num_before: int, window: int | None) -> None:
    mask = make_mask(num_tokens, num_before, window, torch.float32, CPU)
    num_all = num_before + num_tokens
    rule = [
        [key <= query and (window is None or key > query - window) for key in range(num_all)]
        for query in range(num_before, num_all)
    ]
    assert (mask == 0).tolist() == rule
    assert set(mask.flatten().tolist()) <= {0.0, -math.inf}


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), min_size=1, max_size=3),
    st.integers(1, 3),
    WINDOWS,
)
def test_tiles_together_see_what_the_rule_says(
    sequences: list[tuple[int, int]], group: int, window: int | None
) -> None:
    segments, start = [], 0
    for num_tokens, num_context in sequences:
        segments.append(Segment(start, num_tokens, num_context, range(99)))
        start += num_tokens
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention_tiles, "TILE_TOKENS", 4)
        plans = plan_tiles(segments, group, window, torch.float32, CPU)
    seen: dict[int, set[int]] = {}
    for segment, tiles in zip(segments, plans, strict=True):
        origin = tiles[0].first_key
        for tile in tiles:
            keys = range(origin, segment.num_all)
            if tile.keys is not None:
                keys = keys[tile.keys]
            rows = tile.end - tile.start
            mask = torch.zeros(rows * group, len(keys)) if tile.mask is None else tile.mask
            assert mask.shape == (rows * group, len(keys))
            for row, allowed in enumerate((mask == 0).tolist()):
                query = segment.num_context + tile.start - segment.start + row // group
                visible = {key for key, may in zip(keys, allowed, strict=True) if may}
                first = 0 if window is None else max(0, query - window + 1)
                assert visible == set(range(first, query + 1))
                seen[tile.start + row // group] = visible
    assert set(seen) == set(range(start)), "every row belongs to a tile"
