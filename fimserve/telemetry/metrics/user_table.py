"""What each user did in a window: the numerators and denominators of all metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimserve.telemetry.metrics.definitions import Metric
from fimserve.telemetry.statistics.moments import FloatArray
from fimserve.telemetry.statistics.ratio import UserSums

__all__ = ["UserTable"]


@dataclass(frozen=True, slots=True)
class UserTable:
    """Users in the order in which they first took part.

    Shapes:
        arm:      [users]  int64, index into arms
        first_ms: [users]  int64, Unix milliseconds
        columns, past: name -> [users]  float64
    """

    arms: tuple[str, ...]
    arm: NDArray[np.int64]
    first_ms: NDArray[np.int64]
    columns: Mapping[str, FloatArray]
    past: Mapping[str, FloatArray]
    """The same columns from before the experiment; empty where no past was asked for."""

    def count(self, arm: str, having: str | None = None) -> int:
        """Return the number of an arm's users.

        Args:
            arm: The arm.
            having: A column that must be above 0; None counts all.

        Returns:
            Number of users; 0 for an arm that nobody is in.
        """
        chosen = self._choose(arm)
        if having is not None:
            chosen = chosen & (self.columns[having] > 0)
        return int(chosen.sum())

    def total(self, arm: str, column: str) -> float:
        """Return the sum of a column over an arm's users.

        Args:
            arm: The arm.
            column: The column.

        Returns:
            The sum.
        """
        return float(self.columns[column][self._choose(arm)].sum())

    def sums(self, arm: str, metric: Metric, with_past: bool = True) -> UserSums:
        """Return numerator and denominator of a metric for each of an arm's users.

        Users with nothing in the denominator stay: they are part of the arm's size.

        Args:
            arm: The arm.
            metric: The metric.
            with_past: Whether the past comes along, where there is one.

        Returns:
            The sums.
        """
        chosen = self._choose(arm)
        names = (metric.numerator, metric.denominator)
        past = [self.past[name][chosen] for name in names] if self.past and with_past else []
        return UserSums(*(self.columns[name][chosen] for name in names), *past)

    def _choose(self, arm: str) -> NDArray[np.bool_]:
        if arm not in self.arms:
            return np.zeros(len(self.arm), dtype=np.bool_)
        chosen: NDArray[np.bool_] = self.arm == self.arms.index(arm)
        return chosen
