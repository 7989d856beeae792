"""What can go wrong with a request or with the engine as a whole.

EngineError
├── InvalidRequest   a field's value, its limit, and what to send instead
├── EngineClosed     the engine no longer takes requests
└── BrokenEngine     a count of the engine's own does not add up
"""


class EngineError(Exception):
    """Covers every failure that the engine itself raises."""


class InvalidRequest(EngineError, ValueError):
    """Says which field of a request cannot be served and what would be."""


class EngineClosed(EngineError):
    """Says that the engine was closed before the request came."""


class BrokenEngine(EngineError):
    """Says which invariant does not hold: a defect of the engine, not of a request."""
