"""Differences pair by pair: what two servers have in common cancels out."""

import pytest

from fimeval.bench.answer import Answer, Outcome
from fimeval.bench.paired import find_change, pair


def test_what_all_pairs_have_in_common_is_found_exactly() -> None:
    costs = [10.0, 500.0, 30.0, 90.0, 7.0]
    change = find_change(costs, [cost + 3 for cost in costs])
    assert (change.median_ms, change.low_ms, change.high_ms) == (3.0, 3.0, 3.0)
    assert change.share == pytest.approx(3 / 30)


def test_no_difference_lies_inside_its_interval() -> None:
    first = [100.0 + (index * 37) % 11 for index in range(40)]
    second = [100.0 + (index * 53) % 11 for index in range(40)]
    change = find_change(first, second)
    assert change.low_ms <= 0 <= change.high_ms
    assert change.low_ms <= change.median_ms <= change.high_ms


def test_first_text_and_last_byte_are_compared_apart() -> None:
    ours = [Answer(Outcome.DONE, 0.0, e2e_ms=50.0, ttft_ms=20.0)]
    theirs = [Answer(Outcome.DONE, 0.0, e2e_ms=60.0, ttft_ms=19.0)]
    found = pair("a", "b", "cold", 256, ours, theirs)
    assert (found.ttft.median_ms, found.e2e.median_ms, found.num_pairs) == (-1.0, 10.0, 1)
