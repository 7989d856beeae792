"""Count, means and covariances of a few numbers per user: all that a ratio's error depends on.

They can be summed in a database, so that no row per user need leave it.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fimserve.telemetry.statistics.errors import StatisticsError, TooFewUsers

__all__ = ["FloatArray", "Moments"]

FloatArray: TypeAlias = NDArray[np.float64]

MIN_USERS = 2
"""Below, there is no variance."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments over the users of one arm.

    Shapes:
        means:      [K]     float64; K = 2: numerator, denominator; K = 4: both before too
        covariance: [K, K]  float64, with num_users - 1 below the line
    """

    num_users: int
    means: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> "Moments":
        """Return the moments of numbers per user.

        Shapes:
            columns: [K, users]  float64

        Args:
            columns: The numbers, one row per quantity.

        Returns:
            The moments.

        Raises:
            TooFewUsers: If there are fewer than two users.
        """
        num_users = columns.shape[1]
        if num_users < MIN_USERS:
            raise TooFewUsers(f"there are {num_users} users in an arm; two at least are needed")
        return cls(num_users, columns.mean(axis=1), np.cov(columns))

    @classmethod
    def from_sums(cls, num_users: int, sums: FloatArray, products: FloatArray) -> "Moments":
        """Return the moments that sums over users, made elsewhere, stand for.

        Shapes:
            sums:     [K]     float64
            products: [K, K]  float64, sums over users of x[i] * x[j]

        Args:
            num_users: Number of users.
            sums: Sum of each quantity.
            products: Sums of products.

        Returns:
            The moments.

        Raises:
            TooFewUsers: If there are fewer than two users.
            StatisticsError: If a sum is not finite.
        """
        if num_users < MIN_USERS:
            raise TooFewUsers(f"there are {num_users} users in an arm; two at least are needed")
        if not (np.isfinite(sums).all() and np.isfinite(products).all()):
            raise StatisticsError("a sum over users is not a finite number")
        means = sums / num_users
        covariance = (products - num_users * np.outer(means, means)) / (num_users - 1)
        return cls(num_users, means, covariance)
