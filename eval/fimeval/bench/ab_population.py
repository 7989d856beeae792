"""Made-up users for simulated experiments: who they are, and what they do day by day.

Users differ: activity is lognormal with a few heavy users, acceptance is Beta, weekends are quiet,
a fifth has no past, and users come one after the other. What is true is known exactly.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fimserve.telemetry.statistics import UserSums
from fimserve.telemetry.statistics.moments import FloatArray

__all__ = ["TRUE_RATE", "ArmDays", "Population", "draw_arm"]

ALPHA, BETA = 3.0, 7.0
TRUE_RATE = ALPHA / (ALPHA + BETA)
"""Acceptance of the control: activity and acceptance are independent."""
WEEK = np.array([1.1, 1.1, 1.1, 1.1, 1.0, 0.3, 0.3])
"""Activity by day of the week."""
NEW_SHARE = 0.2
HEAVY_SHARE, HEAVY_FACTOR = 0.05, 4.0
CHARS = 40.0
"""Mean length of an accepted suggestion."""


@dataclass(frozen=True, slots=True)
class Population:
    """How users are drawn."""

    num_users: int = 1_000
    """Of one arm."""
    days: int = 14
    past_days: int = 14
    per_day: float = 4.0
    """Suggestions that a middling user sees on an average day."""


class ArmDays(NamedTuple):
    """One arm's users, in the order in which they came.

    Shapes:
        shown, accepted, chars: [users, days]  float64
        shown_before, accepted_before: [users]  float64
        first_day: [users]  int64, not falling
    """

    shown: FloatArray
    accepted: FloatArray
    chars: FloatArray
    """Retained characters."""
    shown_before: FloatArray
    accepted_before: FloatArray
    first_day: np.ndarray[tuple[int], np.dtype[np.int64]]

    def acceptance(self, until_day: int | None = None, with_past: bool = False) -> UserSums:
        """Return accepted by shown, up to a day, of the users who had come by then.

        Args:
            until_day: Days that are over; None takes all.
            with_past: Whether the past comes along.

        Returns:
            The sums.
        """
        days = self.shown.shape[1] if until_day is None else until_day
        there = self.first_day < days
        past = (self.accepted_before[there], self.shown_before[there]) if with_past else ()
        accepted, shown = self.accepted[there, :days], self.shown[there, :days]
        return UserSums(accepted.sum(axis=1), shown.sum(axis=1), *past)

    def retained_per_day(self) -> UserSums:
        """Return retained characters by active days."""
        return UserSums(self.chars.sum(axis=1), (self.shown > 0).sum(axis=1).astype(np.float64))


def draw_arm(population: Population, rng: np.random.Generator, lift: float = 0.0) -> ArmDays:
    """Return an arm's users and days.

    Args:
        population: How users are drawn.
        rng: Where chance comes from.
        lift: Relative change of every user's rate of acceptance, in the experiment alone.

    Returns:
        The arm.
    """
    num = population.num_users
    activity = population.per_day * rng.lognormal(-0.4, 0.9, num)
    activity *= np.where(rng.random(num) < HEAVY_SHARE, HEAVY_FACTOR, 1.0)
    rate = rng.beta(ALPHA, BETA, num)
    # Most come at once, the others bit by bit.
    first_day = np.sort(np.minimum(rng.geometric(0.25, num) - 1, population.days - 1))
    week = np.resize(WEEK, population.days)
    is_there = first_day[:, None] <= np.arange(population.days)
    shown = rng.poisson(activity[:, None] * week * is_there).astype(np.float64)
    accepted = rng.binomial(shown.astype(np.int64), np.minimum(1.0, rate * (1 + lift))[:, None])
    chars = rng.poisson(CHARS * rng.beta(8, 2, num)[:, None] * accepted).astype(np.float64)
    before = rng.poisson(activity * population.past_days * WEEK.mean())
    before = np.where(rng.random(num) < NEW_SHARE, 0, before)
    return ArmDays(
        shown=shown,
        accepted=accepted.astype(np.float64),
        chars=chars,
        shown_before=before.astype(np.float64),
        accepted_before=rng.binomial(before, rate).astype(np.float64),
        first_day=first_day.astype(np.int64),
    )
