"""No client gets more than its rate and what it saved; none waits longer than it is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.server.token_bucket import TokenBucket


@given(
    rate=st.floats(0.1, 1000),
    capacity=st.integers(1, 50),
    pauses_s=st.lists(st.floats(0, 5), max_size=100),
)
def test_no_stretch_of_time_gives_more_than_rate_and_capacity(
    rate: float, capacity: int, pauses_s: list[float]
) -> None:
    now_s = 0.0
    bucket = TokenBucket(rate, capacity, now_s)
    num_taken = 0
    for pause_s in pauses_s:
        now_s += pause_s
        num_taken += bucket.take(now_s) == 0.0
        assert num_taken <= capacity + rate * now_s + 1e-6


@given(rate=st.floats(0.1, 1000), capacity=st.integers(1, 50))
def test_who_waits_as_long_as_told_gets_a_token(rate: float, capacity: int) -> None:
    bucket = TokenBucket(rate, capacity, 0.0)
    assert [bucket.take(0.0) for _ in range(capacity)] == [0.0] * capacity
    wait_s = bucket.take(0.0)
    assert wait_s == pytest.approx(1 / rate)
    assert bucket.take(wait_s * 1.0001) == 0.0
