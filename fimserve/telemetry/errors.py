"""What can go wrong with events.

    TelemetryError
    ├── EventError            an event says something it may not; names the field
    ├── StoreUnavailable      nothing was stored, try again later; says when
    │   └── StoreClosed       the store is closing or closed
    ├── StoreMismatch         the database was written by a newer version
    ├── StoreSettingsError    a setting cannot work
    ├── ExperimentError       an experiment cannot be as it is described, or not now
    └── ExportError           the events could not be written out

Messages hold the field, the limit and the remedy, and no value of the event: it may be code.
"""

__all__ = [
    "EventError",
    "ExperimentError",
    "ExportError",
    "StoreClosed",
    "StoreMismatch",
    "StoreSettingsError",
    "StoreUnavailable",
    "TelemetryError",
]


class TelemetryError(Exception):
    """Base of this room's errors."""


class EventError(TelemetryError, ValueError):
    """An event is not valid.

    Args:
        field: Name of the field at fault.
        problem: What is wrong with it, as the end of a sentence that begins with its name.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class StoreUnavailable(TelemetryError):
    """Nothing of the batch was stored; the same batch may be sent again.

    Args:
        message: Why.
        retry_after_s: Seconds after which another try makes sense.
    """

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreClosed(StoreUnavailable):
    """The store takes no more events."""


class StoreMismatch(TelemetryError):
    """The database has a schema that this version does not know."""


class StoreSettingsError(TelemetryError, ValueError):
    """A setting of the store has a value that cannot work."""


class ExperimentError(TelemetryError, ValueError):
    """An experiment has a value that cannot work, or may not change as asked."""


class ExportError(TelemetryError):
    """The events could not be written to a file."""
