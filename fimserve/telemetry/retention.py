"""How long events and code are kept, and the deletion of what is older."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from fimserve.telemetry.database import Database

__all__ = ["Retention", "now_unix_ms"]

DAY_MS = 86_400_000


def now_unix_ms() -> int:
    """Return the time of this machine's clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages at which things are deleted."""

    event_days: int
    """Days that an event is kept; 0 keeps it for ever."""
    text_days: int
    """Days that code is kept."""
    clock_ms: Callable[[], int] = now_unix_ms

    def enforce(self, database: Database) -> int:
        """Delete what is too old.

        Args:
            database: Where.

        Returns:
            Number of deleted events.
        """
        now_ms = self.clock_ms()
        return database.delete_older(
            now_ms - self.event_days * DAY_MS if self.event_days else None,
            now_ms - self.text_days * DAY_MS,
        )
