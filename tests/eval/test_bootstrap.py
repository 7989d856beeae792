"""Clustered statistics against closed forms, hand-made cases and simulated data."""

import numpy as np
import pytest

from fimeval.bootstrap import (
    BootstrapSettings,
    Floats,
    draw_clusters,
    estimate_mean,
    find_design_effect,
    find_interval,
    find_variance,
)

SETTINGS = BootstrapSettings()


def simulate(
    rng: np.random.Generator, num_clusters: int, num_sets: int, spread: float
) -> tuple[Floats, Floats]:
    """Return sums and sizes [G, R] of right-or-wrong rows whose clusters differ in difficulty.

    Larger clusters are easier, so the mean over rows differs from the mean over clusters.
    """
    sizes = rng.integers(1, 21, size=(num_clusters, num_sets))
    centre = 0.3 + 0.02 * sizes
    chance = rng.beta(centre * spread, (1 - centre) * spread)
    return rng.binomial(sizes, chance).astype(float), sizes.astype(float)


def true_mean() -> float:
    """Return what `simulate` draws around: the mean chance of a row."""
    sizes = np.arange(1, 21)
    return float((sizes * (0.3 + 0.02 * sizes)).sum() / sizes.sum())


def test_value_is_over_rows_and_macro_over_clusters() -> None:
    estimate = estimate_mean(np.array([9.0, 0.0]), np.array([9.0, 1.0]), SETTINGS)
    assert estimate.value == pytest.approx(0.9)
    assert estimate.macro == pytest.approx(0.5)
    assert (estimate.num_rows, estimate.num_clusters) == (10, 2)
    assert (estimate.ci_low, estimate.ci_high) == (0.0, 1.0)


def test_variance_and_design_effect_follow_the_closed_form_by_hand() -> None:
    # theta = 3/6; residuals 2 - 1, 1 - 1, 0 - 1; variance = 3/2 * 2 / 36; binomial = .25 / 6.
    sums, sizes = np.array([2.0, 1.0, 0.0]), np.array([2.0, 2.0, 2.0])
    assert find_variance(sums, sizes) == pytest.approx(1 / 12)
    assert find_design_effect(sums, sizes) == pytest.approx(2.0)
    estimate = estimate_mean(sums, sizes, SETTINGS)
    assert estimate.effective_rows == pytest.approx(3.0)


def test_design_effect_is_one_without_dependence_and_the_size_with_full_dependence() -> None:
    rng = np.random.default_rng(1)
    sizes = np.full(20_000, 5.0)
    independent = rng.binomial(5, 0.4, size=20_000).astype(float)
    copies = 5 * rng.binomial(1, 0.4, size=20_000).astype(float)
    assert find_design_effect(independent, sizes) == pytest.approx(1.0, abs=0.05)
    assert find_design_effect(copies, sizes) == pytest.approx(5.0, abs=0.1)


def test_extremes_have_no_design_effect() -> None:
    sizes = np.array([3.0, 4.0])
    for sums in (sizes, 0 * sizes):
        estimate = estimate_mean(sums, sizes, SETTINGS)
        assert estimate.deff is None
        assert estimate.effective_rows is None
        assert estimate.ci_low == estimate.ci_high == estimate.value


def test_one_cluster_has_no_interval() -> None:
    estimate = estimate_mean(np.array([3.0]), np.array([9.0]), SETTINGS)
    assert estimate.value == pytest.approx(1 / 3)
    assert (estimate.ci_low, estimate.ci_high, estimate.deff) == (None, None, None)


@pytest.mark.parametrize("sizes", [[], [1.0, 0.0]])
def test_clusters_without_rows_are_refused(sizes: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        estimate_mean(np.zeros(len(sizes)), np.array(sizes), SETTINGS)


def test_every_resample_draws_as_many_clusters_as_there_are() -> None:
    draws = draw_clusters(37, 500, seed=3)
    assert draws.shape == (500, 37)
    assert (draws.sum(axis=1) == 37).all()
    assert draws.var(axis=0).mean() == pytest.approx(1 - 1 / 37, abs=0.05)


def test_equal_seeds_give_equal_intervals() -> None:
    sums, sizes = simulate(np.random.default_rng(0), 60, 1, spread=3.0)
    first, again, other = (
        estimate_mean(sums[:, 0], sizes[:, 0], BootstrapSettings(seed=seed)) for seed in (5, 5, 6)
    )
    assert first == again
    assert (first.ci_low, first.ci_high) != (other.ci_low, other.ci_high)


def test_bootstrap_agrees_with_a_loop_over_clusters() -> None:
    sums, sizes = np.array([1.0, 0.0, 4.0]), np.array([2.0, 3.0, 5.0])
    draws = draw_clusters(3, 200, seed=9)
    means = []
    for counts in draws.astype(int):
        drawn = [cluster for cluster in range(3) for _ in range(counts[cluster])]
        means.append(sum(sums[g] for g in drawn) / sum(sizes[g] for g in drawn))
    low, high = find_interval(sums, sizes, draws, 0.9)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))


def test_bootstrap_width_agrees_with_the_closed_form() -> None:
    sums, sizes = simulate(np.random.default_rng(2), 400, 1, spread=3.0)
    estimate = estimate_mean(sums[:, 0], sizes[:, 0], SETTINGS)
    variance = find_variance(sums[:, 0], sizes[:, 0])
    assert variance is not None
    assert estimate.ci_low is not None
    assert estimate.ci_high is not None
    assert estimate.ci_high - estimate.ci_low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.05)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    covered, covered_by_binomial, num_sets = 0, 0, 0
    for seed in range(8):
        sums, sizes = simulate(np.random.default_rng([7, seed]), 164, 500, spread=3.0)
        low, high = find_interval(sums, sizes, draw_clusters(164, 2000, seed), 0.95)
        covered += int(((low <= true_mean()) & (true_mean() <= high)).sum())
        value, num_rows = sums.sum(axis=0) / sizes.sum(axis=0), sizes.sum(axis=0)
        half = 1.96 * np.sqrt(value * (1 - value) / num_rows)
        covered_by_binomial += int((abs(value - true_mean()) <= half).sum())
        num_sets += sums.shape[1]
    assert covered / num_sets == pytest.approx(0.95, abs=0.015)
    # The same data under the error that treats rows as independent: far off.
    assert covered_by_binomial / num_sets < 0.85
