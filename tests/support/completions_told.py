"""Lives of suggestions, told in events: short to write, for tests of metrics."""

import itertools
from typing import Any

from fimserve.telemetry import Event
from support.events import make_event

_counter = itertools.count()

DAY_MS = 86_400_000
START_MS = 1_700_006_400_000
"""A midnight in UTC."""


def tell_completion(
    *steps: tuple[str, dict[str, Any]],
    user: str = "a" * 16,
    arm: str = "control",
    at_ms: int = START_MS,
    chars: int = 10,
    experiment: str | None = "exp",
    **common: Any,
) -> list[Event]:
    """Return the events of one suggestion; the first is `shown`, for 100 ms so far.

    Args:
        *steps: Type and fields of each further event.
        user: Who saw it.
        arm: His arm.
        at_ms: When it was shown.
        chars: Its length.
        experiment: The experiment.
        **common: Fields of all events.
    """
    shared = {
        "completion_id": f"cmpl-{next(_counter)}",
        "user_hash": user,
        "experiment": experiment,
        "arm": arm if experiment else None,
        "assigned_arm": arm if experiment else None,
        "completion_chars": chars,
        "completion_lines": 1,
        **common,
    }
    told = [make_event(type="shown", at_ms=at_ms, visible_ms=120.0, shown_ms=100.0, **shared)]
    for number, (kind, fields) in enumerate(steps, 1):
        told.append(make_event(type=kind, at_ms=at_ms + 1_000 * number, **{**shared, **fields}))
    return told


def accepted(chars: int = 10, shown_ms: float = 1_000.0) -> tuple[str, dict[str, Any]]:
    """Return a full acceptance."""
    return "accepted", {"accepted_chars": chars, "shown_ms": shown_ms}


def partly(chars: int) -> tuple[str, dict[str, Any]]:
    """Return a partial acceptance, up to so many characters."""
    return "partially_accepted", {"accepted_chars": chars}


def dismissed(shown_ms: float) -> tuple[str, dict[str, Any]]:
    """Return a dismissal after some time."""
    return "dismissed", {"shown_ms": shown_ms}


def persisted(after_s: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Return what was found of it after some time."""
    return "persisted", {"after_s": after_s, **fields}
