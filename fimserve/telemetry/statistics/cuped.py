"""Takes out of a ratio what users' past explains of it (CUPED), in plain numpy.

tea-tasting does the same for the fixed horizon; the confidence sequence needs the adjusted
estimates themselves.
"""

import numpy as np

from fimserve.telemetry.statistics.errors import TooFewUsers
from fimserve.telemetry.statistics.moments import Moments
from fimserve.telemetry.statistics.ratio import RatioEstimate

__all__ = ["adjust_by_past", "pool"]


def adjust_by_past(control: Moments, treatment: Moments) -> tuple[RatioEstimate, RatioEstimate]:
    """Return both arms' ratios as they would be had the arms the same past.

    With u the linearised ratio of a user and x the same of his past, `theta = Cov(u, x) / Var(x)`
    over both arms, and each arm's ratio becomes `R - theta (R_before - R_before of both)`.

    Args:
        control: Moments of four quantities over one arm's users.
        treatment: The same of the other arm.

    Returns:
        Estimates of control and treatment.

    Raises:
        TooFewUsers: If an arm has nothing to divide by, now or before.

    Source:
        Deng, Xu, Kohavi, Walker, WSDM 2013; for ratios arXiv:1803.06336, section 3.
    """
    both = pool(control, treatment)
    if min(control.means[1], treatment.means[1]) <= 0 or both.means[3] <= 0:
        raise TooFewUsers("no user of an arm has anything to divide by")
    _, variance_before, shared = _linearised(both)
    theta = shared / variance_before if variance_before > 0 else 0.0
    before = both.means[2] / both.means[3]
    return _adjust(control, theta, before), _adjust(treatment, theta, before)


def pool(one: Moments, other: Moments) -> Moments:
    """Return the moments of two groups of users taken together."""
    total = one.num_users + other.num_users
    means = (one.num_users * one.means + other.num_users * other.means) / total
    gap = one.means - other.means
    scatter = (
        (one.num_users - 1) * one.covariance
        + (other.num_users - 1) * other.covariance
        + np.outer(gap, gap) * one.num_users * other.num_users / total
    )
    return Moments(total, means, scatter / (total - 1))


def _adjust(arm: Moments, theta: float, before_of_both: float) -> RatioEstimate:
    variance, variance_before, shared = _linearised(arm)
    before = arm.means[2] / arm.means[3] if arm.means[3] > 0 else before_of_both
    value = arm.means[0] / arm.means[1] - theta * (before - before_of_both)
    adjusted = variance - 2 * theta * shared + theta**2 * variance_before
    return RatioEstimate(float(value), max(0.0, float(adjusted)) / arm.num_users, arm.num_users)


def _linearised(arm: Moments) -> tuple[float, float, float]:
    """Return variance of the ratio, variance of the past's ratio, and their covariance, per user.

    A user's linearised ratio is (N - R D) / mean(D): a weighted sum of his four numbers.
    """
    now = _weights(arm.means[0], arm.means[1], first=0)
    past = _weights(arm.means[2], arm.means[3], first=2)
    spread = arm.covariance
    return float(now @ spread @ now), float(past @ spread @ past), float(now @ spread @ past)


def _weights(
    mean_n: float, mean_d: float, first: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    weights = np.zeros(4)
    if mean_d > 0:
        weights[first : first + 2] = 1 / mean_d, -mean_n / mean_d**2
    return weights
