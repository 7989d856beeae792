"""Simulated experiments, few of them: promises hold, and what should fail does."""

import numpy as np
import pytest

from fimeval.bench.ab_population import TRUE_RATE, Population, draw_arm
from fimeval.bench.ab_simulation import (
    Outcome,
    SimulationSettings,
    _estimate_prefixes,
    simulate,
)
from fimserve.telemetry.statistics import UserSums, estimate_ratio

REPETITIONS = 80


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    settings = SimulationSettings(
        REPETITIONS, Population(num_users=300), planned_lift=0.15, seed=20_261_124
    )
    return {one.name: one for one in simulate(settings)}


def test_every_promise_is_kept(outcomes: dict[str, Outcome]) -> None:
    assert [one.name for one in outcomes.values() if not one.is_kept] == []
    assert len(outcomes) == 22


def test_what_is_done_wrong_is_seen_to_be(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["A/A, naive test of pooled events"].rate > 0.3
    assert outcomes["A/A, delta method, one look at the end"].rate < 0.12
    assert outcomes["A/A, delta method, a look each 10 users"].rate > 0.13
    assert outcomes["A/A, confidence sequence, a look each 10 users"].rate <= 0.05
    assert outcomes["A/A, p95 of latency, events as if independent"].rate > 0.3


def test_a_broken_promise_is_noticed() -> None:
    assert not Outcome("x", 0.07, 0.006, 0.035, 0.065, 2_000).is_kept
    assert Outcome("x", 0.07, 0.03, 0.035, 0.065, 80).is_kept
    assert not Outcome("x", 0.3, 0.05, 0.035, 0.065, 80).is_kept


def test_the_population_has_the_rate_it_is_said_to_have() -> None:
    arm = draw_arm(Population(num_users=40_000), np.random.default_rng(0), lift=0.1)
    found = estimate_ratio(arm.acceptance())
    assert found.value == pytest.approx(1.1 * TRUE_RATE, abs=4 * found.standard_error)
    assert (arm.shown_before == 0).mean() > 0.2
    assert (np.diff(arm.first_day) >= 0).all()


def test_running_sums_are_the_estimates_of_the_first_users() -> None:
    users = draw_arm(Population(num_users=237), np.random.default_rng(1)).acceptance()
    prefixes = _estimate_prefixes(users)
    assert [one.num_users for one in prefixes][-2:] == [230, users.num_users]
    for one in (prefixes[0], prefixes[-1]):
        first = UserSums(users.numerator[: one.num_users], users.denominator[: one.num_users])
        direct = estimate_ratio(first)
        assert one.value == pytest.approx(direct.value, rel=1e-12)
        assert one.variance == pytest.approx(direct.variance, rel=1e-9)
