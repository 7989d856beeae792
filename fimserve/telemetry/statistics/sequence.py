"""An interval for a difference that stays valid however often one looks: a confidence sequence.

A fixed-horizon interval that is looked at each day excludes the truth sooner or later far more
often than it says. This one covers the truth at all looks together with the stated probability,
so that an experiment may be stopped at any of them. It is asymptotic: it begins at
`MIN_USERS_PER_ARM`. Users should come in the order in which they first took part.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

from fimserve.telemetry.statistics.errors import StatisticsError, TooFewUsers
from fimserve.telemetry.statistics.moments import Moments
from fimserve.telemetry.statistics.ratio import RatioEstimate, UserSums, estimate_ratio

__all__ = [
    "MIN_USERS_PER_ARM",
    "TIGHTEST_AT_USERS",
    "AnytimeInterval",
    "Side",
    "compute_half_width",
    "compute_rho",
    "follow_difference",
]

Side: TypeAlias = Literal["both", "lower", "upper"]

MIN_USERS_PER_ARM = 100
"""Users of each arm below which the normal approximation behind it is not to be trusted."""
TIGHTEST_AT_USERS = 5_000
"""Users of both arms at which it is tightest where nothing else is said."""


class AnytimeInterval(NamedTuple):
    """A difference between arms, valid at every look."""

    difference: float
    """Treatment minus control."""
    lower: float
    """Minus infinity where only an upper bound was asked for."""
    upper: float
    num_users: int
    """Users of both arms."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the arms differ."""
        return self.lower > 0 or self.upper < 0


def follow_difference(
    control: UserSums | Moments | RatioEstimate,
    treatment: UserSums | Moments | RatioEstimate,
    alpha: float = 0.05,
    tightest_at: int = TIGHTEST_AT_USERS,
    side: Side = "both",
) -> AnytimeInterval:
    """Return the confidence sequence's interval for the users seen so far.

    Args:
        control: Users of one arm, or what was estimated of them.
        treatment: Users of the other.
        alpha: Probability that any look ever excludes the truth.
        tightest_at: Users of both arms at which the interval should be tightest; to be stated
            before the experiment begins.
        side: Both bounds, or a single one, which is then tighter.

    Returns:
        The interval.

    Raises:
        TooFewUsers: If an arm has fewer than MIN_USERS_PER_ARM users.

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv:2103.06476, theorem 2.2 and
        section B.2 for rho.
    """
    one, other = _as_estimate(control), _as_estimate(treatment)
    fewest = min(one.num_users, other.num_users)
    if fewest < MIN_USERS_PER_ARM:
        raise TooFewUsers(
            f"an arm has {fewest} users; the interval for looking at any time begins at "
            f"{MIN_USERS_PER_ARM}"
        )
    num_users = one.num_users + other.num_users
    difference = other.value - one.value
    half = compute_half_width(
        num_users, num_users * (one.variance + other.variance), alpha, tightest_at, side
    )
    lower = -math.inf if side == "upper" else difference - half
    upper = math.inf if side == "lower" else difference + half
    return AnytimeInterval(difference, lower, upper, num_users)


def compute_half_width(
    num_users: int,
    variance: float,
    alpha: float = 0.05,
    tightest_at: int = TIGHTEST_AT_USERS,
    side: Side = "both",
) -> float:
    """Return the distance from the estimate to its bound.

    Args:
        num_users: Users so far, N.
        variance: N times the variance of the estimate.
        alpha: Probability of ever excluding the truth.
        tightest_at: Users at which the interval should be tightest.
        side: Both bounds or one.

    Returns:
        The half-width, in units of the estimate.
    """
    rho2 = compute_rho(alpha, tightest_at, side) ** 2
    grown = num_users * rho2 + 1
    if side == "both":
        log = math.log(math.sqrt(grown) / alpha)
    else:
        log = math.log1p(math.sqrt(grown) / (2 * alpha))
    return math.sqrt(variance * 2 * grown / (num_users**2 * rho2) * log)


def compute_rho(alpha: float, tightest_at: int, side: Side = "both") -> float:
    """Return the mixing parameter that makes the interval tightest at a number of users.

    Args:
        alpha: Probability of ever excluding the truth.
        tightest_at: The number of users.
        side: Both bounds or one.

    Returns:
        Rho, above 0.

    Raises:
        StatisticsError: If alpha is no probability, or the number is not positive.
    """
    if not 0 < alpha < 1:
        raise StatisticsError(f"alpha is {alpha}; use a probability between 0 and 1")
    if tightest_at < 1:
        raise StatisticsError(f"tightest_at is {tightest_at}; use a number of users")
    # One bound spends on its side what two would spend together. Above 1/2 it would be no bound.
    spent = -2 * math.log(alpha if side == "both" else min(2 * alpha, 0.999))
    return math.sqrt((spent + math.log(spent + 1)) / tightest_at)


def _as_estimate(arm: UserSums | Moments | RatioEstimate) -> RatioEstimate:
    return arm if isinstance(arm, RatioEstimate) else estimate_ratio(arm)
