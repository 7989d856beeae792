"""Quantiles of numbers per event, such as latencies, with an error that respects users.

A user's latencies resemble each other: his machine, his network, his files. So the error of "how
many lie below q" is that of a ratio over users, and is carried over to q by the density there.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from fimserve.telemetry.statistics.errors import StatisticsError, TooFewUsers
from fimserve.telemetry.statistics.moments import FloatArray
from fimserve.telemetry.statistics.ratio import UserSums, estimate_ratio

__all__ = ["QuantileDifference", "QuantileEstimate", "compare_quantiles", "estimate_quantile"]

MIN_USERS = 2


class QuantileEstimate(NamedTuple):
    """A quantile and how well it is known."""

    level: float
    value: float
    lower: float
    """Lower bound of the interval."""
    upper: float
    standard_error: float
    num_users: int
    num_values: int


class QuantileDifference(NamedTuple):
    """Difference of a quantile between two arms."""

    difference: float
    """Treatment minus control."""
    lower: float
    upper: float
    p_value: float
    """Of no difference, two-sided."""
    standard_error: float


def estimate_quantile(
    values: ArrayLike, users: ArrayLike, level: float, confidence: float = 0.95
) -> QuantileEstimate:
    """Return a quantile of all values and an interval that respects users.

    The share of values at or below q is a ratio over users, with standard error s. The bounds are
    the quantiles at level -+ z s (Woodruff's interval, which needs no density); the standard error
    is half their distance by z. Raises TooFewUsers where fewer than two users have values, and
    StatisticsError where level is no probability or the arrays do not fit.

    Shapes:
        values: [events]  numbers
        users:  [events]  whole numbers from 0, who each value is of

    Args:
        values: The numbers.
        users: Index of the user of each.
        level: Which quantile, between 0 and 1.
        confidence: Probability that the interval covers the truth.

    Returns:
        The estimate.

    Source:
        Deng, Knoblich, Lu, arXiv:1803.06336, section 4.2; Woodruff, JASA 47 (1952).
    """
    numbers, owners = _check(values, users, level)
    ordered = np.sort(numbers)
    value = _quantile(ordered, level)
    spread = _spread_of_share(numbers, owners, value)
    z = float(norm.ppf(0.5 + confidence / 2))
    lower, upper = (
        _quantile(ordered, min(1.0, max(0.0, level + sign * z * spread.standard_error)))
        for sign in (-1, 1)
    )
    return QuantileEstimate(
        level, value, lower, upper, (upper - lower) / (2 * z), spread.num_users, len(numbers)
    )


def compare_quantiles(
    control: QuantileEstimate, treatment: QuantileEstimate, confidence: float = 0.95
) -> QuantileDifference:
    """Return the difference of two independent arms.

    Args:
        control: One arm's quantile.
        treatment: The other's, at the same level.
        confidence: Probability that the interval covers the truth.

    Returns:
        The difference.

    Raises:
        StatisticsError: If the levels differ.
    """
    if control.level != treatment.level:
        raise StatisticsError(f"levels {control.level} and {treatment.level} are not the same")
    difference = treatment.value - control.value
    error = math.hypot(control.standard_error, treatment.standard_error)
    half = float(norm.ppf(0.5 + confidence / 2)) * error
    p_value = float(2 * norm.sf(abs(difference) / error)) if error > 0 else float(difference == 0)
    return QuantileDifference(difference, difference - half, difference + half, p_value, error)


class _Spread(NamedTuple):
    standard_error: float
    num_users: int


def _check(
    values: ArrayLike, users: ArrayLike, level: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    numbers = np.asarray(values, dtype=np.float64)
    owners = np.asarray(users, dtype=np.int64)
    if not 0 < level < 1:
        raise StatisticsError(f"level is {level}; use a number between 0 and 1")
    if numbers.shape != owners.shape or numbers.ndim != 1:
        raise StatisticsError("every value needs a user")
    if not np.isfinite(numbers).all():
        raise StatisticsError("a value is not a finite number")
    if not len(numbers):
        raise TooFewUsers("there are no values")
    return numbers, owners


def _spread_of_share(numbers: FloatArray, owners: NDArray[np.int64], value: float) -> _Spread:
    """Return how well the share of numbers at or below a value is known."""
    nums_values = np.bincount(owners)
    is_there = nums_values > 0
    if int(is_there.sum()) < MIN_USERS:
        raise TooFewUsers(f"{int(is_there.sum())} users have values; two at least are needed")
    nums_below: FloatArray = np.bincount(owners, weights=numbers <= value).astype(np.float64)
    share = estimate_ratio(UserSums(nums_below[is_there], nums_values[is_there].astype(np.float64)))
    return _Spread(share.standard_error, share.num_users)


def _quantile(ordered: FloatArray, level: float) -> float:
    return float(np.quantile(ordered, level))
