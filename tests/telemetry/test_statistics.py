"""Statistics against tea-tasting, against formulas written out, and against simple truths."""

import math

import numpy as np
import pytest
import tea_tasting as tt
from scipy.stats import binomtest, chisquare, norm

from fimserve.telemetry.statistics import (
    Moments,
    StatisticsError,
    TooFewUsers,
    UserSums,
    adjust_bh,
    adjust_holm,
    check_sample_ratio,
    compare_quantiles,
    compare_ratios,
    estimate_quantile,
    estimate_ratio,
    find_detectable_lift,
    follow_difference,
    plan_experiment,
)
from fimserve.telemetry.statistics.comparison import as_aggregates, make_metric
from fimserve.telemetry.statistics.cuped import adjust_by_past
from fimserve.telemetry.statistics.sequence import compute_half_width, compute_rho

SAME = 1e-9


def make_users(seed: int, num: int = 400, past: bool = False, lift: float = 0.0) -> UserSums:
    """Return users with rates and activity of their own, some of them without a past."""
    rng = np.random.default_rng(seed)
    rate = np.clip(rng.beta(3, 7, num) * (1 + lift), 0, 1)
    activity = rng.lognormal(3, 1, num)

    def days() -> tuple[np.ndarray, np.ndarray]:
        shown = 1 + rng.poisson(activity)
        return rng.binomial(shown, rate).astype(float), shown.astype(float)

    accepted, shown = days()
    if not past:
        return UserSums(accepted, shown)
    accepted_before, shown_before = days()
    is_new = rng.random(num) < 0.2
    accepted_before[is_new] = shown_before[is_new] = 0
    return UserSums(accepted, shown, accepted_before, shown_before)


def test_the_delta_method_is_tea_tasting_s() -> None:
    control, treatment = make_users(1), make_users(2, lift=0.1)
    ours = estimate_ratio(control), estimate_ratio(treatment)
    theirs = compare_ratios(control, treatment)
    error = math.sqrt(ours[0].variance + ours[1].variance)
    assert theirs.control == pytest.approx(ours[0].value, abs=SAME)
    assert theirs.treatment == pytest.approx(ours[1].value, abs=SAME)
    found = make_metric(False, use_t=False).analyze_aggregates(
        as_aggregates(control.moments()), as_aggregates(treatment.moments())
    )
    assert found.statistic == pytest.approx((ours[1].value - ours[0].value) / error, abs=SAME)
    half = float(norm.ppf(0.975)) * error
    assert found.effect_size_ci_upper - found.effect_size == pytest.approx(half, abs=SAME)
    assert theirs.standard_error == pytest.approx(error, abs=SAME)


def test_cuped_is_tea_tasting_s_and_the_formula_written_out() -> None:
    control, treatment = make_users(3, past=True), make_users(4, past=True, lift=0.1)
    found = make_metric(True, use_t=False).analyze_aggregates(
        as_aggregates(control.moments(True)), as_aggregates(treatment.moments(True))
    )
    ours = adjust_by_past(control.moments(True), treatment.moments(True))
    assert ours[0].value == pytest.approx(found.control, abs=SAME)
    assert ours[1].value == pytest.approx(found.treatment, abs=SAME)
    error = math.sqrt(ours[0].variance + ours[1].variance)
    assert found.statistic == pytest.approx(found.effect_size / error, abs=SAME)
    expected = regress_on_past(control, treatment)
    assert (ours[0].value, ours[1].value) == pytest.approx(expected, abs=SAME)


def regress_on_past(control: UserSums, treatment: UserSums) -> tuple[float, float]:
    """Return adjusted ratios, user by user: u - theta (x - mean x), without any moments."""

    def ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
        return float(numerator.sum() / denominator.sum())

    joined = [
        np.concatenate([getattr(arm, name) for arm in (control, treatment)])
        for name in ("numerator", "denominator", "numerator_before", "denominator_before")
    ]
    now, past = ratio(*joined[:2]), ratio(*joined[2:])
    u = (joined[0] - now * joined[1]) / joined[1].mean()
    x = (joined[2] - past * joined[3]) / joined[3].mean()
    theta = np.cov(u, x)[0, 1] / x.var(ddof=1)
    adjusted = []
    for arm in (control, treatment):
        assert arm.numerator_before is not None
        assert arm.denominator_before is not None
        before = ratio(arm.numerator_before, arm.denominator_before)
        adjusted.append(ratio(arm.numerator, arm.denominator) - theta * (before - past))
    return adjusted[0], adjusted[1]


@pytest.mark.parametrize("num_users", [2, 8, 50])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_everything_or_nothing_is_not_certain(num_users: int, share: float) -> None:
    shown = np.arange(1.0, num_users + 1)
    estimate = estimate_ratio(UserSums(share * shown, shown))
    assert estimate.interval() == (share, share)
    lower, upper = estimate.share_interval()
    exact = binomtest(round(share * num_users), num_users).proportion_ci(method="exact")
    assert (lower, upper) == pytest.approx((exact.low, exact.high))


def test_the_bounds_of_a_share_are_within_0_and_1() -> None:
    users = UserSums(np.array([9.0, 3.0, 1.0]), np.array([9.0, 3.0, 2.0]))
    estimate = estimate_ratio(users)
    assert estimate.interval()[1] > 1
    assert estimate.share_interval() == (estimate.interval()[0], 1.0)


def test_a_past_makes_intervals_narrower_and_a_missing_one_does_no_harm() -> None:
    control, treatment = make_users(5, 2000, past=True), make_users(6, 2000, past=True)
    with_past = compare_ratios(control, treatment)
    without = compare_ratios(
        UserSums(control.numerator, control.denominator),
        UserSums(treatment.numerator, treatment.denominator),
    )
    assert with_past.variance_removed > 0.3
    removed = 1 - (with_past.standard_error / without.standard_error) ** 2
    assert removed == pytest.approx(with_past.variance_removed, abs=SAME)
    nothing = np.zeros(2000)
    new_users = UserSums(control.numerator, control.denominator, nothing, nothing)
    assert compare_ratios(new_users, treatment).variance_removed == 0


def test_moments_from_sums_are_those_of_the_users() -> None:
    users = make_users(7, past=True)
    columns = np.vstack(
        [users.numerator, users.denominator, users.numerator_before, users.denominator_before]
    )
    summed = Moments.from_sums(users.num_users, columns.sum(axis=1), columns @ columns.T)
    direct = users.moments(True)
    np.testing.assert_allclose(summed.means, direct.means, rtol=1e-12)
    np.testing.assert_allclose(summed.covariance, direct.covariance, rtol=1e-9)


@pytest.mark.parametrize("num_users", [200, 3_000, 80_000])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_sequence_is_the_paper_s_equation(num_users: int, alpha: float) -> None:
    # Theorem 2.2 of arXiv:2103.06476 as it stands there, for sigma hat and t = num_users; rho by
    # its equation for the tightest time.
    t, sigma, target = num_users, 0.7, 5_000
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / target)
    boundary = sigma * math.sqrt(
        2 * (t * rho**2 + 1) / (t**2 * rho**2) * math.log(math.sqrt(t * rho**2 + 1) / alpha)
    )
    assert compute_half_width(t, sigma**2, alpha, target) == pytest.approx(boundary, abs=SAME)


def test_the_sequence_is_tightest_where_it_was_told_to_be() -> None:
    def width(target: int) -> float:
        return compute_half_width(5_000, 1.0, 0.05, target)

    assert width(5_000) < width(500)
    assert width(5_000) < width(50_000)
    # The equation for rho is an approximation of the best one, and a good one.
    assert width(5_000) == pytest.approx(min(map(width, range(1_000, 20_000, 100))), rel=2e-3)


def test_one_bound_of_the_sequence_is_tighter_than_two() -> None:
    control, treatment = make_users(8), make_users(9)
    both = follow_difference(control, treatment)
    upper = follow_difference(control, treatment, side="upper")
    lower = follow_difference(control, treatment, side="lower")
    assert upper.lower == -math.inf
    assert lower.upper == math.inf
    assert both.lower < lower.lower < lower.difference < upper.upper < both.upper
    assert not both.excludes_zero
    assert follow_difference(control, make_users(9, lift=0.9)).excludes_zero


def test_the_sequence_waits_for_users() -> None:
    with pytest.raises(TooFewUsers, match="begins at 100"):
        follow_difference(make_users(1, 99), make_users(2, 5_000))
    with pytest.raises(StatisticsError, match="alpha"):
        compute_rho(1.5, 100)


def test_quantiles_know_that_a_user_s_latencies_resemble_each_other() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(300, 60, 200)
    users = np.repeat(np.arange(200), 50)
    clustered = rng.normal(own[users], 10)
    loose = rng.permutation(clustered)
    for level in (0.5, 0.9):
        found = estimate_quantile(clustered, users, level)
        assert found.value == pytest.approx(np.quantile(clustered, level))
        assert found.lower < found.value < found.upper
        assert found.standard_error > 4 * estimate_quantile(loose, users, level).standard_error
        assert found.standard_error == pytest.approx(bootstrap_error(own, users, level), rel=0.3)


def bootstrap_error(own: np.ndarray, users: np.ndarray, level: float) -> float:
    """Return the spread of the quantile over many groups of users as these."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(300, 60, (500, len(own)))[:, users]
    return float(np.quantile(rng.normal(drawn, 10), level, axis=1).std())


def test_quantiles_are_compared_at_one_level() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(100), 20)
    one = estimate_quantile(rng.normal(100, 10, 2000), users, 0.95)
    slower = estimate_quantile(rng.normal(110, 10, 2000), users, 0.95)
    found = compare_quantiles(one, slower)
    assert found.lower < 10 < found.upper
    assert found.p_value < 1e-6
    with pytest.raises(StatisticsError, match="levels"):
        compare_quantiles(one, slower._replace(level=0.5))


@pytest.mark.parametrize(
    ("values", "users", "level", "words"),
    [
        ([1.0, 2.0], [0, 0], 0.5, "1 users"),
        ([1.0, 2.0], [0, 1], 1.0, "level"),
        ([1.0], [0, 1], 0.5, "needs a user"),
        ([1.0, math.nan], [0, 1], 0.5, "finite"),
    ],
)
def test_quantiles_of_nothing_are_refused(
    values: list[float], users: list[int], level: float, words: str
) -> None:
    with pytest.raises(StatisticsError, match=words):
        estimate_quantile(values, users, level)


def test_a_sample_ratio_mismatch_is_told_from_chance() -> None:
    assert not check_sample_ratio({"a": 100_300, "b": 99_700}, {"a": 1, "b": 1}).is_mismatch
    assert check_sample_ratio({"a": 101_000, "b": 99_000}, {"a": 1, "b": 1}).is_mismatch
    three = check_sample_ratio({"a": 500, "b": 250, "c": 240}, {"a": 0.5, "b": 0.25, "c": 0.25})
    assert three.p_value == pytest.approx(chisquare([500, 250, 240], [495, 247.5, 247.5]).pvalue)
    assert check_sample_ratio({"a": 300}, {"a": 1, "b": 1}).is_mismatch
    assert check_sample_ratio({}, {"a": 1, "b": 1}).p_value == 1
    with pytest.raises(StatisticsError, match="without a planned share: x"):
        check_sample_ratio({"x": 1}, {"a": 1})


def test_the_sample_ratio_is_tea_tasting_s() -> None:
    arms = {"a": as_aggregates(make_users(1, 4_100).moments())}
    arms["b"] = as_aggregates(make_users(1, 3_900).moments())
    theirs = tt.SampleRatio(1, method="norm", correction=False).analyze(dict(arms), "a", "b")
    ours = check_sample_ratio({"a": 4_100, "b": 3_900}, {"a": 1, "b": 1})
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=SAME)


def test_p_values_of_several_questions() -> None:
    # Written out by hand: 4 x .01, 3 x .02 -> 2 x .03 = .06 keeps the order, 1 x .5.
    assert adjust_holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert adjust_bh([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.04, 0.04])
    assert adjust_holm([]) == adjust_bh([]) == []


def test_a_plan_finds_what_it_was_made_for() -> None:
    history = make_users(10, 4_000)
    plan = plan_experiment(history, 0.05, users_per_day=400)
    estimate = estimate_ratio(history)
    per_user = estimate.variance * history.num_users
    # n per arm = (z + z)^2 (s^2 + s^2 of the treatment) / delta^2, the latter grown by the lift.
    spread = per_user * (1 + 1.05**2)
    wanted = 2 * (1.959964 + 0.841621) ** 2 * spread / (0.05 * estimate.value) ** 2
    assert plan.num_users == pytest.approx(wanted, rel=0.01)
    assert find_detectable_lift(history, plan.num_users) == pytest.approx(0.05, rel=0.05)
    assert 1.5 < plan.num_users_anytime / plan.num_users < 3
    assert plan.num_days is not None
    assert plan.num_days % 7 == 0
    assert plan.num_days * 400 >= plan.num_users


def test_a_past_makes_a_plan_shorter() -> None:
    plain, past = make_users(11, 4_000), make_users(11, 4_000, past=True)
    assert plan_experiment(past, 0.05).num_users < 0.8 * plan_experiment(plain, 0.05).num_users
    assert plan_experiment(past, 0.05).num_days is None
    assert plan_experiment(plain, 0.5, users_per_day=1e9).num_days == 14


def test_what_cannot_be_compared_is_said() -> None:
    nobody = UserSums(np.zeros(5), np.zeros(5))
    with pytest.raises(TooFewUsers, match="divide by"):
        compare_ratios(nobody, make_users(1))
    with pytest.raises(TooFewUsers, match="two at least"):
        compare_ratios(make_users(1, 1), make_users(1))
    same = UserSums(np.ones(5), np.full(5, 2.0))
    with pytest.raises(TooFewUsers, match="same ratio"):
        compare_ratios(same, same)
    with pytest.raises(StatisticsError, match="different numbers"):
        UserSums(np.zeros(5), np.zeros(4))
    with pytest.raises(StatisticsError, match="lift"):
        plan_experiment(make_users(1), 0.0)
    never = UserSums(np.zeros(50), np.ones(50))
    assert compare_ratios(never, make_users(1)).lift is None
