"""What would come too late is refused, by what was measured; without measurements nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.admission import Admission, Load
from fimserve.engine.errors import QueueFull

IDLE = Load(
    num_waiting=0, num_ahead=0, num_tokens_ahead=0, num_running=0, num_places=4, num_decoding=0
)


def measured(ms_per_token: float = 1.0, least_ms: float = 0.0) -> Admission:
    """Return one that has seen full steps, and steps without prompts."""
    admission = Admission(max_waiting=8, max_step_tokens=100)
    for _ in range(200):
        admission.observe_step(100, True, 100 * ms_per_token)
        admission.observe_step(1, False, least_ms)
    return admission


def test_before_anything_is_measured_everything_is_tried() -> None:
    busy = replace(IDLE, num_waiting=7, num_ahead=7, num_tokens_ahead=100_000, num_running=4)
    Admission(max_waiting=8, max_step_tokens=100).check(busy, 1000, 1.0)


def test_an_engine_with_nothing_else_to_do_always_tries() -> None:
    """Or one slow step would have it refuse for ever, and never measure anything again."""
    measured(ms_per_token=50.0).check(IDLE, 1000, 1.0)
    writing = replace(IDLE, num_running=2, num_decoding=2)
    measured(ms_per_token=50.0).check(writing, 1000, 1.0)


def test_a_deadline_that_is_over_is_refused_even_so() -> None:
    with pytest.raises(QueueFull, match="the deadline is in -5 ms"):
        measured().check(IDLE, 10, -5.0)


def test_the_first_token_must_come_before_the_deadline() -> None:
    load = replace(IDLE, num_running=1, num_tokens_ahead=200)
    measured().check(load, 100, 300.0)
    with pytest.raises(QueueFull, match="expected in 300 ms; the deadline is in 250 ms") as caught:
        measured().check(load, 100, 250.0)
    assert caught.value.retry_after_ms == pytest.approx(50)
    measured().check(load, 100, None)


def test_completions_in_progress_take_their_part_of_each_step() -> None:
    load = replace(IDLE, num_running=21, num_places=99, num_tokens_ahead=80, num_decoding=20)
    assert measured().expect_ms(load, 80) == pytest.approx(200)


def test_a_small_step_takes_as_long_as_reading_the_weights() -> None:
    admission = measured(ms_per_token=1.0, least_ms=30.0)
    assert admission.expect_ms(IDLE, 5) == pytest.approx(30)
    assert admission.expect_ms(IDLE, 50) == pytest.approx(50)
    assert admission.expect_ms(IDLE, 150) == pytest.approx(150)


def test_many_small_steps_do_not_make_prompts_look_slow() -> None:
    admission = measured(ms_per_token=1.0, least_ms=30.0)
    for _ in range(1000):
        admission.observe_step(3, True, 30.0)  # ten times as long for each token
    assert admission.ms_per_token == pytest.approx(1.0)
    admission.observe_step(3, True, 90.0)  # the machine was busy
    assert admission.ms_per_token == pytest.approx(1.0, rel=0.01)


def test_lately_counts_more_than_long_ago() -> None:
    admission = measured(ms_per_token=1.0)
    for _ in range(60):
        admission.observe_step(100, True, 300.0)
    assert admission.ms_per_token == pytest.approx(3.0, rel=0.02)


def test_without_a_free_place_somebody_must_leave_first() -> None:
    admission = measured(ms_per_token=0.1)
    for _ in range(100):
        admission.observe_stay(400.0)
    full = replace(IDLE, num_running=4, num_decoding=4)
    assert admission.expect_ms(full, 10) == pytest.approx(101.4)  # one of four leaves in 100 ms
    queue = replace(full, num_waiting=2, num_ahead=2)
    assert admission.expect_ms(queue, 10) == pytest.approx(301.4)
    with pytest.raises(QueueFull):
        admission.check(queue, 10, 300.0)


def test_one_more_than_may_wait_is_refused_and_told_when_to_come_back() -> None:
    load = replace(IDLE, num_waiting=8, num_ahead=8, num_tokens_ahead=400, num_running=1)
    with pytest.raises(QueueFull, match="8 requests wait; the limit is 8") as caught:
        measured().check(load, 10, None)
    assert caught.value.retry_after_ms == pytest.approx(400)
    with pytest.raises(QueueFull) as caught:
        Admission(8, 100).check(load, 10, None)
    assert caught.value.retry_after_ms == 1


LOADS = st.builds(
    Load,
    num_waiting=st.integers(0, 7),
    num_ahead=st.integers(0, 7),
    num_tokens_ahead=st.integers(0, 3000),
    num_running=st.integers(0, 8),
    num_places=st.integers(1, 8),
    num_decoding=st.integers(0, 8),
)


@settings(deadline=None)
@given(LOADS, st.integers(1, 3000), st.integers(1, 1000))
def test_who_is_refused_is_told_by_how_much(load: Load, num_tokens: int, in_ms: int) -> None:
    admission = measured()
    has_place = load.num_ahead + load.num_running < load.num_places
    expected_ms = admission.expect_ms(load, num_tokens)
    if expected_ms <= in_ms or (has_place and not load.num_tokens_ahead):
        admission.check(load, num_tokens, float(in_ms))
        return
    with pytest.raises(QueueFull) as caught:
        admission.check(load, num_tokens, float(in_ms))
    assert caught.value.retry_after_ms == pytest.approx(max(expected_ms - in_ms, 1.0))


@settings(deadline=None)
@given(LOADS, st.integers(0, 3000))
def test_more_before_it_never_makes_it_sooner(load: Load, num_tokens: int) -> None:
    admission = measured(least_ms=7.0)
    admission.observe_stay(100.0)
    expected_ms = admission.expect_ms(load, num_tokens)
    assert expected_ms <= admission.expect_ms(load, num_tokens + 10)
    for more in (
        replace(load, num_tokens_ahead=load.num_tokens_ahead + 10),
        replace(load, num_ahead=load.num_ahead + 1),
        replace(load, num_decoding=load.num_decoding + 1),
    ):
        assert expected_ms <= admission.expect_ms(more, num_tokens)
