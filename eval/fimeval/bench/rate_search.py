"""Finds the highest rate that still meets an objective: doubles until it fails, then bisects.

Decides and never acts: who asks measures each rate and says whether it was good enough.
"""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class RateSearch:
    """A search under way."""

    first: float
    """Rate to begin with."""
    highest: float
    """Rate never to exceed."""
    precision: float = 1.1
    """The search ends once the lowest bad rate is at most so many times the best good one."""
    lowest: float = 0.05
    """Rate below which a server counts as good for nothing."""
    max_trials: int = 14
    good: float | None = None
    """Highest rate that was good enough."""
    bad: float | None = None
    """Lowest rate that was not."""
    num_trials: int = field(default=0)

    def next_rate(self) -> float | None:
        """Return the rate to measure now; None once the search is over."""
        if self.num_trials >= self.max_trials:
            return None
        if self.good is None and self.bad is None:
            return min(self.first, self.highest)
        if self.bad is None:
            assert self.good is not None
            return min(2 * self.good, self.highest) if self.good < self.highest else None
        if self.good is None:
            return self.bad / 2 if self.bad / 2 >= self.lowest else None
        if self.bad / self.good <= self.precision:
            return None
        return math.sqrt(self.good * self.bad)

    def tell(self, rate: float, is_good: bool) -> None:
        """Take in what was measured.

        Args:
            rate: The rate that `next_rate` asked for.
            is_good: Whether the objective was met often enough.
        """
        self.num_trials += 1
        if is_good:
            self.good = rate if self.good is None else max(rate, self.good)
        else:
            self.bad = rate if self.bad is None else min(rate, self.bad)
