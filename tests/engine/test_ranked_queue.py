"""Sequences stay in order of rank, whatever comes and goes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.kv_manager import CacheKey
from fimserve.engine.ranked_queue import RankedQueue
from fimserve.engine.sequence import Sequence


def ranked(*rank: float) -> Sequence:
    return Sequence(1, CacheKey("local"), [0], 1, 1, "interactive", 0.0, rank=rank)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), unique=True), st.data())
def test_the_order_is_that_of_ranks(ranks: list[tuple[int, int]], data: st.DataObject) -> None:
    queue = RankedQueue()
    sequences = [ranked(*rank) for rank in ranks]
    for sequence in sequences:
        queue.add(sequence)
    gone = data.draw(st.lists(st.sampled_from(sequences), unique=True)) if sequences else []
    for sequence in gone:
        assert queue.discard(sequence)
        assert not queue.discard(sequence)
    left = sorted((s for s in sequences if s not in gone), key=lambda s: s.rank)
    assert list(queue) == left
    assert len(queue) == len(left)
    assert queue.head(2) == left[:2]
    assert [s in queue for s in sequences] == [s not in gone for s in sequences]
    for rank in [(0,), (1, 2), (3, 3), (4,)]:
        assert list(queue.before(rank)) == [s for s in left if s.rank < rank]
    if left:
        assert (queue.first, queue.last) == (left[0], left[-1])


def test_another_one_of_the_same_rank_is_another_one() -> None:
    queue = RankedQueue()
    queue.add(ranked(1))
    assert ranked(1) not in queue
    assert not queue.discard(ranked(1))
    assert not queue.discard(ranked())
    assert len(queue) == 1
