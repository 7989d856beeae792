"""A ratio of two sums over users and its standard error, by the delta method.

CAR is one: accepted by counted. Events of a user are not independent, so the error comes from the
spread between users; the binomial error of pooled events is far too small.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from fimserve.telemetry.statistics.errors import StatisticsError, TooFewUsers
from fimserve.telemetry.statistics.moments import FloatArray, Moments

__all__ = ["RatioEstimate", "UserSums", "estimate_ratio"]


@dataclass(frozen=True, slots=True)
class UserSums:
    """What each user of one arm has done: numerator and denominator, perhaps before too.

    Shapes:
        each array: [users]  float64, in the order in which users first took part

    The numbers before the experiment are for CUPED; a user without a past has 0 in both, which
    counts as an average past.
    """

    numerator: FloatArray
    denominator: FloatArray
    numerator_before: FloatArray | None = None
    denominator_before: FloatArray | None = None

    def __post_init__(self) -> None:
        if (self.numerator_before is None) != (self.denominator_before is None):
            raise StatisticsError("numbers before the experiment come in pairs")
        columns = self._columns()
        if len({len(column) for column in columns}) != 1:
            raise StatisticsError("numerators and denominators are of different numbers of users")
        if not all(np.isfinite(column).all() for column in columns):
            raise StatisticsError("a user's number is not finite")

    @property
    def num_users(self) -> int:
        """Number of users."""
        return len(self.numerator)

    @property
    def has_past(self) -> bool:
        """Whether there are numbers from before the experiment that differ between users."""
        return self.denominator_before is not None and bool(self.denominator_before.any())

    def moments(self, with_past: bool = False) -> Moments:
        """Return the moments over users.

        Args:
            with_past: Whether the numbers from before the experiment are among them.

        Returns:
            Moments of two or four quantities.
        """
        return Moments.of(np.vstack(self._columns()[: 4 if with_past else 2]))

    def _columns(self) -> list[FloatArray]:
        both = (self.numerator_before, self.denominator_before)
        return [self.numerator, self.denominator, *(one for one in both if one is not None)]


class RatioEstimate(NamedTuple):
    """A ratio and how well it is known."""

    value: float
    """Sum of numerators by sum of denominators."""
    variance: float
    """Variance of the value."""
    num_users: int

    @property
    def standard_error(self) -> float:
        """Standard error of the value."""
        return float(np.sqrt(self.variance))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the bounds of a two-sided interval.

        Args:
            confidence: Probability that it covers the truth.

        Returns:
            Lower and upper bound.
        """
        half = float(norm.ppf(0.5 + confidence / 2)) * self.standard_error
        return self.value - half, self.value + half

    def share_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the bounds for a ratio that is a share, within 0 and 1.

        Where everything or nothing counted, users do not differ, and their spread would claim to be
        certain. Then the bound is that of one trial for each user (Clopper and Pearson's).

        Args:
            confidence: Probability that it covers the truth.

        Returns:
            Lower and upper bound.
        """
        reach = 1 - ((1 - confidence) / 2) ** (1 / self.num_users)
        if self.value <= 0:
            return 0.0, reach
        if self.value >= 1:
            return 1 - reach, 1.0
        lower, upper = self.interval(confidence)
        return max(0.0, lower), min(1.0, upper)


def estimate_ratio(users: UserSums | Moments) -> RatioEstimate:
    """Return the ratio of one arm and its variance.

    With R the ratio of the sums, `Var(R) = (s_NN - 2 R s_ND + R^2 s_DD) / (n mean(D)^2)`.

    Args:
        users: The arm's users, or their moments.

    Returns:
        The estimate.

    Raises:
        TooFewUsers: If there are fewer than two users, or the denominators sum to 0.

    Source:
        Deng, Knoblich, Lu, arXiv:1803.06336, section 2.
    """
    moments = users.moments() if isinstance(users, UserSums) else users
    mean_n, mean_d = moments.means[:2]
    if mean_d <= 0:
        raise TooFewUsers("no user of an arm has anything to divide by")
    ratio = mean_n / mean_d
    (s_nn, s_nd), (_, s_dd) = moments.covariance[:2, :2]
    variance = (s_nn - 2 * ratio * s_nd + ratio**2 * s_dd) / (moments.num_users * mean_d**2)
    # Rounding may leave a hair below 0 where all users have the same ratio.
    return RatioEstimate(float(ratio), max(0.0, float(variance)), moments.num_users)
