"""Thousands of simulated experiments: how often the statistics are wrong, and may be.

Each check returns rates with the promise they are held to. What is checked is the shipped code:
`compare_ratios`, `follow_difference`, `estimate_quantile`, `check_sample_ratio`,
`plan_experiment`. The naive test of pooled events stands beside them to show what they are for.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.stats import kstest, norm

from fimeval.bench.ab_population import TRUE_RATE, ArmDays, Population, draw_arm
from fimserve.telemetry.statistics import (
    RatioEstimate,
    UserSums,
    check_sample_ratio,
    compare_quantiles,
    compare_ratios,
    estimate_quantile,
    estimate_ratio,
    follow_difference,
    plan_experiment,
)
from fimserve.telemetry.statistics.sequence import MIN_USERS_PER_ARM

__all__ = ["NUM_CHECKS", "Outcome", "SimulationSettings", "simulate"]

NUM_CHECKS = 5
"""Stretches of `simulate`, each of all repetitions."""

ALPHA = 0.05
Z = float(norm.ppf(1 - ALPHA / 2))
EVERY_USERS = 10
"""Users of an arm between two looks of somebody who looks all the time."""
SRM_USERS = 200_000
HISTORY_USERS = 100_000
ENOUGH_REPETITIONS = 1_000
"""From so many on a promise is held to the letter."""
LATENCY_SPREAD = 0.4
"""Standard deviation of the logarithm of users' median latencies; their own spread is half."""


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """How much is simulated."""

    repetitions: int = 2_000
    population: Population = field(default_factory=Population)
    lift: float = 0.1
    """True relative difference where there is one."""
    planned_lift: float = 0.08
    """Relative difference that power is planned for."""
    power: float = 0.8
    seed: int = 0


class Outcome(NamedTuple):
    """How often something happened."""

    name: str
    rate: float
    error: float
    """Standard error of the rate, by the number of repetitions."""
    least: float
    """Least rate that keeps the promise."""
    most: float
    repetitions: int

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept; a few repetitions are given the benefit of the doubt."""
        slack = 0.0 if self.repetitions >= ENOUGH_REPETITIONS else 3 * self.error
        return self.least - slack <= self.rate <= self.most + slack


class _Tally:
    """Collects yes and no by name."""

    def __init__(self) -> None:
        self._found: dict[str, list[bool]] = {}

    def note(self, name: str, is_so: bool) -> None:
        self._found.setdefault(name, []).append(bool(is_so))

    def outcome(self, name: str, least: float, most: float) -> Outcome:
        found = self._found[name]
        rate = sum(found) / len(found)
        error = math.sqrt(rate * (1 - rate) / len(found))
        return Outcome(name, rate, error, least, most, len(found))


def simulate(
    settings: SimulationSettings, advance: Callable[[], None] = lambda: None
) -> Iterator[Outcome]:
    """Run all checks.

    Args:
        settings: How much.
        advance: Called after each repetition of each check.

    Yields:
        Outcome: A rate and what it should be.
    """
    rng = np.random.default_rng(settings.seed)
    yield from _check_null(settings, rng, advance)
    yield from _check_coverage(settings, rng, advance)
    yield from _check_power(settings, rng, advance)
    yield from _check_quantiles(settings, rng, advance)
    yield from _check_sample_ratios(settings, rng, advance)


def _check_null(
    settings: SimulationSettings, rng: np.random.Generator, advance: Callable[[], None]
) -> Iterator[Outcome]:
    """Two arms alike: whatever is found is false."""
    tally = _Tally()
    p_values: list[float] = []
    removed: list[float] = []
    tightest = 2 * settings.population.num_users
    for _ in range(settings.repetitions):
        one, other = (draw_arm(settings.population, rng) for _ in range(2))
        fixed = compare_ratios(one.acceptance(), other.acceptance())
        p_values.append(fixed.p_value)
        tally.note("per event", _is_naively_different(one, other))
        tally.note("delta method", fixed.p_value < ALPHA)
        past = compare_ratios(one.acceptance(with_past=True), other.acceptance(with_past=True))
        removed.append(past.variance_removed)
        tally.note("CUPED", past.p_value < ALPHA)
        retained = compare_ratios(one.retained_per_day(), other.retained_per_day())
        tally.note("retained", retained.p_value < ALPHA)
        daily, often = _look_daily(one, other), _look_often(one, other)
        for name, looks in (("daily", daily), ("often", often)):
            tally.note(f"fixed {name}", any(_is_different(*look) for look in looks))
            tally.note(f"sequence {name}", any(_is_excluded(*look, tightest) for look in looks))
        advance()
    band = ALPHA - 0.015, ALPHA + 0.015
    titled = {
        "per event": ("A/A, naive test of pooled events", 0.2, 1.0),
        "delta method": ("A/A, delta method, one look at the end", *band),
        "CUPED": ("A/A, CUPED, one look at the end", *band),
        "retained": ("A/A, retained characters per active day", *band),
        "fixed daily": ("A/A, delta method, a look each day", 0.1, 1.0),
        "sequence daily": ("A/A, confidence sequence, a look each day", 0.0, ALPHA),
        "fixed often": (f"A/A, delta method, a look each {EVERY_USERS} users", 0.15, 1.0),
        "sequence often": (
            f"A/A, confidence sequence, a look each {EVERY_USERS} users",
            0.0,
            ALPHA,
        ),
    }
    for name, (title, least, most) in titled.items():
        yield tally.outcome(name, least, most)._replace(name=title)
    uniform = float(kstest(p_values, "uniform").pvalue)
    yield Outcome("A/A, p-values uniform (p of Kolmogorov-Smirnov)", uniform, 0.0, 0.001, 1.0,
                  settings.repetitions)  # fmt: skip
    yield Outcome("share of the variance that CUPED removes", float(np.mean(removed)), 0.0, 0.1,
                  1.0, settings.repetitions)  # fmt: skip


def _check_coverage(
    settings: SimulationSettings, rng: np.random.Generator, advance: Callable[[], None]
) -> Iterator[Outcome]:
    """A known difference: how often the intervals hold it."""
    tally = _Tally()
    truth = TRUE_RATE * settings.lift
    tightest = 2 * settings.population.num_users
    for _ in range(settings.repetitions):
        one = draw_arm(settings.population, rng)
        other = draw_arm(settings.population, rng, settings.lift)
        fixed = compare_ratios(one.acceptance(), other.acceptance())
        tally.note("difference", fixed.lower <= truth <= fixed.upper)
        assert fixed.lift_lower is not None
        assert fixed.lift_upper is not None
        tally.note("lift", fixed.lift_lower <= settings.lift <= fixed.lift_upper)
        past = compare_ratios(one.acceptance(with_past=True), other.acceptance(with_past=True))
        tally.note("CUPED", past.lower <= truth <= past.upper)
        looks = _look_often(one, other)
        tally.note("sequence", not any(_is_excluded(*look, tightest, truth) for look in looks))
        advance()
    band = 0.95 - 0.015, 0.95 + 0.015
    lift = f"a lift of {settings.lift:.0%}"
    yield tally.outcome("difference", *band)._replace(name=f"coverage of {lift}, as a difference")
    yield tally.outcome("lift", *band)._replace(name=f"coverage of {lift}, as a lift")
    yield tally.outcome("CUPED", *band)._replace(name=f"coverage of {lift}, CUPED")
    yield tally.outcome("sequence", 0.95, 1.0)._replace(
        name=f"coverage of {lift}, sequence, at all looks together"
    )


def _check_power(
    settings: SimulationSettings, rng: np.random.Generator, advance: Callable[[], None]
) -> Iterator[Outcome]:
    """As many users as were planned: how often the difference is found."""
    population = settings.population
    # So many that the plan is that of the population; a short history makes a worse one.
    history = draw_arm(_resize(population, HISTORY_USERS), rng)
    options = {"alpha": ALPHA, "power": settings.power}
    plain = plan_experiment(history.acceptance(), settings.planned_lift, **options)
    past = plan_experiment(history.acceptance(with_past=True), settings.planned_lift, **options)
    tally = _Tally()
    for _ in range(settings.repetitions):
        one, other = _draw_pair(population, plain.num_users, settings.planned_lift, rng)
        found = compare_ratios(one.acceptance(), other.acceptance())
        tally.note("delta method", found.p_value < ALPHA and found.difference > 0)
        one, other = _draw_pair(population, past.num_users, settings.planned_lift, rng)
        found = compare_ratios(one.acceptance(with_past=True), other.acceptance(with_past=True))
        tally.note("CUPED", found.p_value < ALPHA and found.difference > 0)
        one, other = _draw_pair(population, plain.num_users_anytime, settings.planned_lift, rng)
        looks = _look_often(one, other)
        tightest = plain.num_users_anytime
        tally.note("at the end", _is_excluded(*looks[-1], tightest))
        tally.note("ever", any(_is_excluded(*look, tightest) for look in looks))
        advance()
    band = settings.power - 0.03, settings.power + 0.03
    lift = f"a lift of {settings.planned_lift:.0%}"
    yield tally.outcome("delta method", *band)._replace(
        name=f"power for {lift}, {plain.num_users} users as planned"
    )
    yield tally.outcome("CUPED", *band)._replace(
        name=f"power for {lift}, CUPED, {past.num_users} users as planned"
    )
    yield tally.outcome("at the end", *band)._replace(
        name=f"power for {lift}, sequence at the end, {plain.num_users_anytime} users as planned"
    )
    yield tally.outcome("ever", settings.power - 0.03, 1.0)._replace(
        name=f"power for {lift}, sequence at any look before"
    )


def _check_quantiles(
    settings: SimulationSettings, rng: np.random.Generator, advance: Callable[[], None]
) -> Iterator[Outcome]:
    """Latencies of two arms alike: intervals that know users beside those that do not."""
    tally = _Tally()
    for _ in range(settings.repetitions):
        drawn = [_draw_latencies(rng) for _ in range(2)]
        one, other = (estimate_quantile(values, users, 0.95) for values, users in drawn)
        tally.note("users", compare_quantiles(one, other).p_value < ALPHA)
        one, other = (
            estimate_quantile(values, np.arange(len(values)), 0.95) for values, _ in drawn
        )
        tally.note("events", compare_quantiles(one, other).p_value < ALPHA)
        advance()
    yield tally.outcome("users", ALPHA - 0.025, ALPHA + 0.025)._replace(
        name="A/A, p95 of latency, users as clusters"
    )
    yield tally.outcome("events", 0.1, 1.0)._replace(
        name="A/A, p95 of latency, events as if independent"
    )


def _check_sample_ratios(
    settings: SimulationSettings, rng: np.random.Generator, advance: Callable[[], None]
) -> Iterator[Outcome]:
    """A sound split is let through, one that lost a hundredth of an arm is not."""
    tally = _Tally()
    shares = {"a": 0.5, "b": 0.5}
    for _ in range(settings.repetitions):
        for name, share in (("sound", 0.5), ("lossy", 0.505)):
            first = int(rng.binomial(SRM_USERS, share))
            found = check_sample_ratio({"a": first, "b": SRM_USERS - first}, shares)
            tally.note(name, found.is_mismatch)
        advance()
    yield tally.outcome("sound", 0.0, 0.004)._replace(name="SRM said of 50 : 50, 200,000 users")
    yield tally.outcome("lossy", 0.8, 1.0)._replace(name="SRM said of 50.5 : 49.5, 200,000 users")


def _is_naively_different(one: ArmDays, other: ArmDays) -> bool:
    """Return what a test of two proportions says, as if events were independent."""
    shown = [arm.shown.sum() for arm in (one, other)]
    accepted = [arm.accepted.sum() for arm in (one, other)]
    pooled = sum(accepted) / sum(shown)
    error = math.sqrt(pooled * (1 - pooled) * (1 / shown[0] + 1 / shown[1]))
    return bool(abs(accepted[0] / shown[0] - accepted[1] / shown[1]) > Z * error)


_Look = tuple[RatioEstimate, RatioEstimate]


def _look_daily(one: ArmDays, other: ArmDays) -> list[_Look]:
    """Return what is known at the end of each day: users came, and those who were there went on."""
    looks = []
    for day in range(1, one.shown.shape[1] + 1):
        sums = [arm.acceptance(day) for arm in (one, other)]
        if min(each.num_users for each in sums) >= MIN_USERS_PER_ARM:
            looks.append((estimate_ratio(sums[0]), estimate_ratio(sums[1])))
    return looks


def _look_often(one: ArmDays, other: ArmDays) -> list[_Look]:
    """Return what is known after every few users, each with all that he did."""
    sums = [_estimate_prefixes(arm.acceptance()) for arm in (one, other)]
    return list(zip(*sums, strict=False))


def _estimate_prefixes(users: UserSums) -> list[RatioEstimate]:
    """Return estimates of the first 100, 110, 120 ... users, all at once by running sums."""
    n, d = users.numerator, users.denominator
    sizes = np.arange(MIN_USERS_PER_ARM, users.num_users + 1, EVERY_USERS)
    if sizes[-1] != users.num_users:
        sizes = np.append(sizes, users.num_users)
    sum_n, sum_d, nn, nd, dd = (
        np.cumsum(values)[sizes - 1] for values in (n, d, n * n, n * d, d * d)
    )
    ratio = sum_n / sum_d
    # sum of (n - R d)^2: its mean is 0 by the choice of R.
    scatter = nn - 2 * ratio * nd + ratio**2 * dd
    variance = scatter / (sizes - 1) / (sizes * (sum_d / sizes) ** 2)
    return [
        RatioEstimate(float(value), float(spread), int(size))
        for value, spread, size in zip(ratio, variance, sizes, strict=True)
    ]


def _is_different(one: RatioEstimate, other: RatioEstimate) -> bool:
    return abs(other.value - one.value) > Z * math.sqrt(one.variance + other.variance)


def _is_excluded(
    one: RatioEstimate, other: RatioEstimate, tightest_at: int, truth: float = 0.0
) -> bool:
    found = follow_difference(one, other, ALPHA, tightest_at)
    return not found.lower <= truth <= found.upper


def _draw_pair(
    population: Population, num_users: int, lift: float, rng: np.random.Generator
) -> tuple[ArmDays, ArmDays]:
    half = _resize(population, round(num_users / 2))
    return draw_arm(half, rng), draw_arm(half, rng, lift)


def _resize(population: Population, num_users: int) -> Population:
    return Population(num_users, population.days, population.past_days, population.per_day)


def _draw_latencies(
    rng: np.random.Generator, num_users: int = 300
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.int64]]
]:
    nums = 1 + rng.poisson(rng.lognormal(2.5, 0.8, num_users))
    users = np.repeat(np.arange(num_users), nums)
    own = rng.normal(math.log(200), LATENCY_SPREAD, num_users)
    return np.exp(rng.normal(own[users], LATENCY_SPREAD / 2)), users
