"""Two arms compared once, at a horizon that was fixed before: tea-tasting's delta method and CUPED.

`estimate_ratio` states the same formula in numpy; tests hold the two to each other.
"""

import math
from itertools import combinations
from typing import Any, NamedTuple

import tea_tasting as tt
from tea_tasting.aggr import Aggregates

from fimserve.telemetry.statistics.cuped import adjust_by_past
from fimserve.telemetry.statistics.errors import TooFewUsers
from fimserve.telemetry.statistics.moments import Moments
from fimserve.telemetry.statistics.ratio import UserSums, estimate_ratio

__all__ = ["COLUMNS", "Comparison", "as_aggregates", "compare_ratios", "make_metric"]

COLUMNS = ("numerator", "denominator", "numerator_before", "denominator_before")


class Comparison(NamedTuple):
    """The difference of a ratio between two arms."""

    control: float
    treatment: float
    """With CUPED both are adjusted to the same past."""
    difference: float
    lower: float
    """Bounds of the difference."""
    upper: float
    lift: float | None
    """Difference by control; None where the control's ratio is 0."""
    lift_lower: float | None
    lift_upper: float | None
    p_value: float
    """Of no difference, two-sided, by Welch's t."""
    standard_error: float
    num_control: int
    """Users."""
    num_treatment: int
    variance_removed: float
    """Share of the variance that CUPED removed; 0 without a past."""


def compare_ratios(
    control: UserSums | Moments,
    treatment: UserSums | Moments,
    confidence: float = 0.95,
) -> Comparison:
    """Return the difference of a ratio between two arms, adjusted by the past where there is one.

    Args:
        control: Users of the control.
        treatment: Users of the treatment.
        confidence: Probability that an interval covers the truth.

    Returns:
        The comparison.

    Raises:
        TooFewUsers: If an arm has fewer than two users, a denominator of 0, or no spread at all.
    """
    with_past = _has_past(control) and _has_past(treatment)
    one, other = _moments(control, with_past), _moments(treatment, with_past)
    plain = estimate_ratio(one), estimate_ratio(other)
    adjusted = adjust_by_past(one, other) if with_past else plain
    variance = sum(estimate.variance for estimate in adjusted)
    if variance <= 0:
        raise TooFewUsers("all users of both arms have the same ratio; nothing can be compared")
    found = make_metric(with_past, confidence_level=confidence).analyze_aggregates(
        as_aggregates(one), as_aggregates(other)
    )
    has_lift = found.control > 0 and found.treatment > 0
    return Comparison(
        control=float(found.control),
        treatment=float(found.treatment),
        difference=float(found.effect_size),
        lower=float(found.effect_size_ci_lower),
        upper=float(found.effect_size_ci_upper),
        lift=float(found.rel_effect_size) if found.control > 0 else None,
        lift_lower=float(found.rel_effect_size_ci_lower) if has_lift else None,
        lift_upper=float(found.rel_effect_size_ci_upper) if has_lift else None,
        p_value=float(found.pvalue),
        standard_error=math.sqrt(variance),
        num_control=one.num_users,
        num_treatment=other.num_users,
        variance_removed=1 - variance / sum(estimate.variance for estimate in plain),
    )


def make_metric(with_past: bool, **options: Any) -> tt.RatioOfMeans:
    """Return tea-tasting's metric of a ratio over `COLUMNS`.

    Args:
        with_past: Whether CUPED is done.
        **options: Further arguments of `tea_tasting.RatioOfMeans`.

    Returns:
        The metric.
    """
    return tt.RatioOfMeans(*COLUMNS[: 4 if with_past else 2], **options)


def as_aggregates(moments: Moments) -> Aggregates:
    """Return moments as tea-tasting has them.

    Args:
        moments: Moments of two or four quantities.

    Returns:
        The aggregates, by the names of `COLUMNS`.
    """
    names = COLUMNS[: len(moments.means)]
    return Aggregates(
        count_=moments.num_users,
        mean_={name: float(mean) for name, mean in zip(names, moments.means, strict=True)},
        var_={name: float(moments.covariance[i, i]) for i, name in enumerate(names)},
        cov_={
            (names[i], names[j]): float(moments.covariance[i, j])
            for i, j in combinations(range(len(names)), 2)
        },
    )


def _has_past(arm: UserSums | Moments) -> bool:
    if isinstance(arm, UserSums):
        return arm.has_past
    return len(arm.means) == len(COLUMNS) and bool(arm.means[3] > 0)


def _moments(arm: UserSums | Moments, with_past: bool) -> Moments:
    if isinstance(arm, UserSums):
        return arm.moments(with_past)
    size = 4 if with_past else 2
    return Moments(arm.num_users, arm.means[:size], arm.covariance[:size, :size])
