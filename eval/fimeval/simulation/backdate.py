"""Makes a simulation's events look as if they had come when they are dated, for a report over days.

A service goes by its own clock and by an event's own time only within a day of it, rightly; so a
fortnight that was simulated in minutes is one day to it. This writes into the database what a
service that ran all the time would have: nothing but the time of reception, and when the
experiment was started. For databases of simulations only.
"""

from sqlalchemy import func, select, update

from fimserve.telemetry import TelemetrySettings
from fimserve.telemetry.database import Database
from fimserve.telemetry.location import find_location
from fimserve.telemetry.tables import EVENTS, EXPERIMENTS

__all__ = ["backdate"]

TRANSPORT_MS = 1_000
"""From an event to its reception."""


def backdate(telemetry: TelemetrySettings, experiment: str, run: str) -> int:
    """Move the reception of events to when they happened, and the experiment's start before them.

    Args:
        telemetry: Where they are.
        experiment: Name of the experiment.
        run: How the ids of the simulation begin.

    Returns:
        Number of events that were moved.
    """
    database = Database(find_location(telemetry))
    try:
        with database.begin() as connection:
            is_mine = EVENTS.c.id.startswith(f"{run}-", autoescape=True)
            moved = connection.execute(
                update(EVENTS).where(is_mine).values(received_ms=EVENTS.c.at_ms + TRANSPORT_MS)
            )
            first_ms = connection.scalar(select(func.min(EVENTS.c.at_ms)).where(is_mine))
            if first_ms is not None:
                start_ms = first_ms - TRANSPORT_MS
                started = update(EXPERIMENTS).where(EXPERIMENTS.c.name == experiment)
                connection.execute(started.values(created_ms=start_ms, started_ms=start_ms))
            return moved.rowcount
    finally:
        database.drop_connections()
