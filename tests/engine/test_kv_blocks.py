"""Blocks are handed out once, in neighbourhoods where there are any."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.errors import BrokenEngine
from fimserve.engine.kv_blocks import BlockPool


def test_blocks_are_consecutive_where_they_can_be() -> None:
    pool = BlockPool(8)
    assert pool.take(3) == [0, 1, 2]
    assert pool.take(2) == [3, 4]
    pool.give_back([1])
    assert pool.take(3) == [5, 6, 7]
    assert pool.take(1) == [1]


def test_a_sequence_gets_neighbours_of_its_last_block() -> None:
    pool = BlockPool(8)
    first = pool.take(2)
    other = pool.take(2)
    pool.give_back(other)
    assert pool.take(2, after=first[-1]) == other
    pool.give_back([0])
    assert pool.take(2, after=5) == [6, 7]


def test_a_sequence_at_the_end_of_memory_goes_on_elsewhere() -> None:
    pool = BlockPool(4)
    pool.take(4)
    pool.give_back([0, 2])
    assert sorted(pool.take(2, after=3)) == [0, 2]


def test_blocks_come_in_the_longest_run_that_half_the_count_fits() -> None:
    pool = BlockPool(8)
    pool.take(8)
    pool.give_back([0, 2, 3, 4, 6])
    assert pool.take(4)[:3] == [2, 3, 4]


def test_more_than_there_are_is_refused() -> None:
    pool = BlockPool(2)
    pool.take(1)
    with pytest.raises(BrokenEngine, match="2 blocks are wanted and 1 are free"):
        pool.take(2)
    assert pool.num_free == 1


@pytest.mark.parametrize("block", [-1, 1, 2])
def test_a_block_that_nobody_has_cannot_be_given_back(block: int) -> None:
    pool = BlockPool(2)
    pool.take(1)
    with pytest.raises(BrokenEngine, match="nobody had it"):
        pool.give_back([block])


@settings(deadline=None)
@given(st.data(), st.integers(1, 40))
def test_every_block_has_one_owner(data: st.DataObject, num_blocks: int) -> None:
    pool = BlockPool(num_blocks)
    taken: list[int] = []
    for _ in range(data.draw(st.integers(1, 12))):
        count = data.draw(st.integers(0, pool.num_free))
        after = data.draw(st.none() | st.sampled_from(range(num_blocks)))
        new = pool.take(count, after)
        assert len(set(new)) == count
        assert not set(new) & set(taken)
        taken += new
        given_back = data.draw(st.lists(st.sampled_from(taken), unique=True)) if taken else []
        pool.give_back(given_back)
        taken = [block for block in taken if block not in given_back]
        assert pool.num_free == num_blocks - len(taken)
        assert [pool.is_free(b) for b in range(num_blocks)] == [
            b not in taken for b in range(num_blocks)
        ]
        assert pool.find_problems() == []


def test_a_wrong_count_is_found() -> None:
    pool = BlockPool(3)
    pool.num_free = 2
    assert pool.find_problems() == ["3 blocks are free and 2 are counted"]
