"""Who goes first: class, then deadline, then arrival; and whom age helps."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.kv_manager import CacheKey
from fimserve.engine.policy import DeadlinePolicy
from fimserve.engine.request import Priority
from fimserve.engine.sequence import Sequence

POLICY = DeadlinePolicy(aging_ms=2000.0, usual_ms=1000.0)
TIMES = st.integers(0, 10_000).map(float)
PRIORITIES = st.sampled_from(["interactive", "background"])


def sequence(
    arrived_ms: float, deadline_ms: float | None = None, priority: Priority = "interactive"
) -> Sequence:
    return Sequence(1, CacheKey("local"), [0], 1, 1, priority, arrived_ms, deadline_ms)


def in_order(*sequences: Sequence) -> bool:
    ranks = [POLICY.rank(one) for one in sequences]
    return all(first < second for first, second in itertools.pairwise(ranks))


def test_the_nearer_deadline_goes_first() -> None:
    assert in_order(sequence(50, 400), sequence(0, 500))


def test_without_a_deadline_a_usual_one_counts() -> None:
    assert in_order(sequence(0, 999), sequence(0), sequence(0, 1001))


def test_of_equal_deadlines_the_earlier_arrival_goes_first() -> None:
    assert in_order(sequence(0, 500), sequence(1, 500))


def test_somebody_who_waits_at_the_cursor_goes_before_background_work() -> None:
    assert in_order(sequence(5000), sequence(0, 100, "background"))


@settings(deadline=None)
@given(TIMES, st.none() | TIMES, TIMES, PRIORITIES)
def test_whoever_waits_is_overtaken_for_a_limited_time_only(
    arrived_ms: float, deadline_ms: float | None, later_ms: float, priority: Priority
) -> None:
    """A new one of the same class whose deadline lies ahead of it goes behind at last."""
    waiting = sequence(arrived_ms, deadline_ms, priority)
    new_ms = 1 + max(arrived_ms, deadline_ms or arrived_ms + 1000.0)
    assert in_order(waiting, sequence(new_ms, new_ms + later_ms, priority))


def test_age_helps_background_work_alone() -> None:
    assert POLICY.aged_at_ms(sequence(100, priority="background")) == 2100
    assert POLICY.aged_at_ms(sequence(100)) is None


def test_only_background_work_gives_way_and_only_to_others() -> None:
    interactive, background = sequence(0), sequence(0, priority="background")
    assert POLICY.may_displace(interactive, background)
    assert not POLICY.may_displace(background, interactive)
    assert not POLICY.may_displace(background, background)
    assert not POLICY.may_displace(interactive, interactive)
