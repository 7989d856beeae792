"""Statistics of a mean over rows that come in dependent clusters. Plain arrays in, numbers out.

Statistic: theta = sum of row scores / number of rows. Interval: percentile bootstrap over whole
clusters. Closed form: Var(theta) = G/(G-1) * sum of r_g^2 / n^2 with r_g = y_g - theta * n_g;
design effect = Var(theta) / (theta * (1 - theta) / n).

Axis letters: B resamples, G clusters, R independent data sets (in tests).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

METHOD = "cluster percentile bootstrap"


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """How intervals are drawn."""

    num_resamples: int = 10_000
    seed: int = 0
    level: float = 0.95
    """Coverage that the interval aims at."""


@dataclass(frozen=True, slots=True)
class ClusterEstimate:
    """A mean over clustered rows and how far it can be trusted."""

    value: float
    """Mean over rows (micro)."""
    macro: float
    """Mean over clusters of each cluster's mean."""
    ci_low: float | None
    """Lower end of the interval; None with fewer than two clusters."""
    ci_high: float | None
    num_rows: int
    num_clusters: int
    deff: float | None
    """Design effect; None with fewer than two clusters or a value of exactly 0 or 1."""
    effective_rows: float | None
    """num_rows / deff: as many independent rows would say as much."""


def estimate_mean(sums: Floats, sizes: Floats, settings: BootstrapSettings) -> ClusterEstimate:
    """Return the mean of all rows with its cluster-bootstrap interval and design effect.

    Shapes:
        sums:  [G]  sum of the row scores of each cluster
        sizes: [G]  rows of each cluster, each at least 1

    Args:
        sums: Score sums.
        sizes: Row counts.
        settings: Resamples, seed, level.

    Returns:
        The estimate. Equal numbers of clusters and equal seeds draw the same clusters.

    Raises:
        ValueError: If there is no cluster, or one without rows.
    """
    if not len(sizes) or sizes.min() < 1:
        raise ValueError("every cluster needs at least one row, and there must be a cluster")
    num_clusters = len(sizes)
    value = float(sums.sum() / sizes.sum())
    ci_low = ci_high = None
    if num_clusters > 1:
        draws = draw_clusters(num_clusters, settings.num_resamples, settings.seed)
        low, high = find_interval(sums, sizes, draws, settings.level)
        ci_low, ci_high = float(low), float(high)
    deff = find_design_effect(sums, sizes)
    num_rows = int(sizes.sum())
    return ClusterEstimate(
        value=value,
        macro=float((sums / sizes).mean()),
        ci_low=ci_low,
        ci_high=ci_high,
        num_rows=num_rows,
        num_clusters=num_clusters,
        deff=deff,
        effective_rows=num_rows / deff if deff else None,
    )


def draw_clusters(num_clusters: int, num_resamples: int, seed: int) -> Floats:
    """Return how often each cluster occurs in each resample, [B, G].

    Drawing G clusters with replacement and counting them is one multinomial draw.
    """
    shares = np.full(num_clusters, 1 / num_clusters)
    counts = np.random.default_rng(seed).multinomial(num_clusters, shares, size=num_resamples)
    return counts.astype(np.float64)


def find_interval(
    sums: Floats, sizes: Floats, draws: Floats, level: float
) -> tuple[Floats, Floats]:
    """Return the percentile interval of sum(sums) / sum(sizes) over the resamples.

    Shapes:
        sums:    [G] or [G, R]
        sizes:   like sums
        draws:   [B, G]  from draw_clusters
        returns: two of [] or [R]

    Args:
        sums: Score sums.
        sizes: Row counts.
        draws: How often each cluster occurs in each resample.
        level: Coverage that the interval aims at.

    Returns:
        Lower and upper end.
    """
    means = (draws @ sums) / (draws @ sizes)  # [B] or [B, R]
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def find_variance(sums: Floats, sizes: Floats) -> float | None:
    """Return the closed-form variance of the mean; None with fewer than two clusters."""
    num_clusters = len(sizes)
    if num_clusters < 2:
        return None
    num_rows = sizes.sum()
    residuals = sums - sums.sum() / num_rows * sizes  # [G]
    scale = num_clusters / (num_clusters - 1)
    return float(scale * (residuals**2).sum() / num_rows**2)


def find_design_effect(sums: Floats, sizes: Floats) -> float | None:
    """Return how many times larger the variance is than that of independent right-or-wrong rows.

    Args:
        sums: Score sums per cluster, [G].
        sizes: Row counts per cluster, [G].

    Returns:
        The design effect, or None with fewer than two clusters or where the mean is 0 or 1.
    """
    variance = find_variance(sums, sizes)
    num_rows = float(sizes.sum())
    value = float(sums.sum()) / num_rows
    binomial = value * (1 - value) / num_rows
    return variance / binomial if variance is not None and binomial > 0 else None
