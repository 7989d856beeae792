"""When a user is offered suggestions: in sessions, on working days more than at weekends."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from fimeval.simulation.settings import SimulationSettings
from fimeval.simulation.user import User

__all__ = ["plan_sessions"]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
WEEKEND = 0.15
"""Activity of a Saturday or Sunday by that of a working day."""
FIRST_HOUR, LAST_HOUR = 8.0, 17.0
PAUSE_MS = 25_000.0
"""Mean time between two suggestions of a session."""
PER_SESSION = 6.0
"""Suggestions of a session, on average."""


def plan_sessions(
    settings: SimulationSettings, user: User, rng: np.random.Generator
) -> Iterator[list[int]]:
    """Yield the sessions of a user, at least one suggestion in all of them together.

    Args:
        settings: How many days, and when they end.
        user: The user.
        rng: Chance of this user alone.

    Yields:
        list[int]: Moments at which suggestions are asked for, in Unix milliseconds.
    """
    first_ms = settings.end_ms - settings.days * DAY_MS
    is_seen = False
    for day in range(user.first_day, settings.days):
        start_ms = first_ms + day * DAY_MS
        is_weekend = datetime.fromtimestamp(start_ms / 1000, UTC).weekday() >= 5
        mean = user.per_day * (WEEKEND if is_weekend else 1.0)
        num_left = int(rng.poisson(mean))
        if day == settings.days - 1 and not is_seen:
            num_left = max(1, num_left)
        while num_left > 0:
            num = min(num_left, 1 + int(rng.poisson(PER_SESSION - 1)))
            num_left -= num
            is_seen = True
            at_ms = start_ms + rng.uniform(FIRST_HOUR, LAST_HOUR) * HOUR_MS
            yield [int(moment) for moment in at_ms + np.cumsum(rng.exponential(PAUSE_MS, num))]
