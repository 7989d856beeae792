"""What can go wrong with a request or with the engine as a whole.

EngineError
├── InvalidRequest       a field's value, its limit, and what to send instead
│   └── AdapterNotFound  no such LoRA adapter, or it is not loaded
├── QueueFull            too busy to answer in time; when to come back
│   └── NothingInTime    the deadline came before any text
├── EngineClosed         the engine no longer takes requests
└── BrokenEngine         a count of the engine's own does not add up
"""


class EngineError(Exception):
    """Covers every failure that the engine itself raises."""


class InvalidRequest(EngineError, ValueError):
    """Says which field of a request cannot be served and what would be."""


class AdapterNotFound(InvalidRequest):
    """Says which adapters there are."""


class QueueFull(EngineError):
    """Says why a request could not be answered in time, and when to try again.

    Args:
        message: What is full, with its count and limit.
        retry_after_ms: Milliseconds after which there should be room.
    """

    def __init__(self, message: str, retry_after_ms: float) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class NothingInTime(QueueFull):
    """Says that the deadline came before any text, and when the prompt would be computed.

    What was computed of it stays in the cache: who asks again continues from there.
    """


class EngineClosed(EngineError):
    """Says that the engine was closed, or is about to be, before the request came."""


class BrokenEngine(EngineError):
    """Says which invariant does not hold: a defect of the engine, not of a request."""
