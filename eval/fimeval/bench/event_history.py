"""Weeks of made-up events, past HTTP: as many as a busy service gets, for benches and demos.

Users differ in how much they type and how often they accept; kinds of syntax and arms change the
rate. Persistence, censoring, partial acceptance and latencies follow. A seed gives the same events.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fimserve.telemetry.batch import Batch
from fimserve.telemetry.event import Event

__all__ = ["ArmEffect", "HistorySettings", "make_history"]

DAY_MS = 86_400_000
BATCH_EVENTS = 2_000
WINDOWS_S = (30, 120, 300, 600)

KINDS = {
    "argument_list": 1.2, "block": 0.55, "call": 1.1, "comment": 0.35, "string": 0.5,
    "return_statement": 1.3, "import_statement": 1.25, "function_definition": 0.6,
    "if_statement": 0.85, "parameters": 0.8, "dictionary": 0.7, "assignment": 1.0,
}  # fmt: skip
"""How much more or less often than his average a user accepts there."""
LANGUAGES = ("python", "typescript", "go", "java")
LINES = (1, 1, 1, 1, 1, 3, 4, 8, 14)


@dataclass(frozen=True, slots=True)
class ArmEffect:
    """What an arm changes."""

    share: float
    acceptance: float = 1.0
    """Factor on every user's rate of acceptance."""
    latency_ms: float = 0.0
    """Added to every latency."""


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How much history."""

    num_users: int = 2_000
    completions_per_user: float = 125.0
    """Mean; half of the users have less than two thirds of it."""
    days: int = 14
    start_ms: int = 1_790_000_000_000
    experiment: str | None = "demo"
    arms: Mapping[str, ArmEffect] = field(
        default_factory=lambda: {"control": ArmEffect(0.5), "treatment": ArmEffect(0.5)}
    )
    seed: int = 0


def make_history(settings: HistorySettings) -> Iterator[Batch]:
    """Return all events in batches, in the order in which suggestions were shown.

    Args:
        settings: How much.

    Yields:
        Batch: Events that were received together.
    """
    rng = np.random.default_rng(settings.seed)
    users = _Users.draw(settings, rng)
    num = int(settings.num_users * settings.completions_per_user)
    owners = rng.choice(settings.num_users, num, p=users.activity)
    times = np.sort(rng.integers(0, settings.days * DAY_MS, num)) + settings.start_ms
    events: list[Event] = []
    for number in range(num):
        events += _tell(settings, users, int(owners[number]), int(times[number]), number, rng)
        if len(events) >= BATCH_EVENTS:
            yield Batch("demo", int(times[number]) + 3_000, tuple(events))
            events = []
    if events:
        yield Batch("demo", int(times[-1]) + 3_000, tuple(events))


@dataclass(frozen=True, slots=True)
class _Users:
    activity: Any
    rate: Any
    persistence: Any
    latency_ms: Any
    arms: Any

    @classmethod
    def draw(cls, settings: HistorySettings, rng: np.random.Generator) -> "_Users":
        activity = rng.lognormal(0.0, 0.9, settings.num_users)
        shares = np.array([arm.share for arm in settings.arms.values()])
        return cls(
            activity=activity / activity.sum(),
            rate=rng.beta(3, 7, settings.num_users),
            persistence=rng.beta(8, 2, settings.num_users),
            latency_ms=rng.lognormal(5.0, 0.25, settings.num_users),
            arms=rng.choice(list(settings.arms), settings.num_users, p=shares / shares.sum()),
        )


def _tell(
    settings: HistorySettings,
    users: _Users,
    user: int,
    at_ms: int,
    number: int,
    rng: np.random.Generator,
) -> Iterator[Event]:
    """Yield the events of one suggestion."""
    arm = str(users.arms[user])
    effect = settings.arms[arm]
    kind = str(rng.choice(list(KINDS)))
    lines = int(rng.choice(LINES))
    chars = int(lines * 20 + rng.integers(1, 30))
    named = settings.experiment is not None
    common: dict[str, Any] = {
        "user_hash": f"{user:016x}",
        "session_hash": f"{user:016x}",
        "experiment": settings.experiment,
        "arm": arm if named else None,
        "assigned_arm": arm if named else None,
        "language": LANGUAGES[user % len(LANGUAGES)],
        "kind": kind,
        "parent_kind": "module",
        "client": "fimserve-bench",
        "request_id": f"req-{number}",
    }
    told = {**common, "completion_id": f"cmpl-{settings.seed}-{number}"}
    told |= {"completion_chars": chars, "completion_lines": lines}

    def event(name: str, kind_: Any, after_ms: int, **more: Any) -> Event:
        id_ = f"{settings.seed}-{number}-{name}"
        return Event(id=id_, type=kind_, at_ms=at_ms + after_ms, **more)

    yield event("q", "requested", 0, typed_chars=int(rng.integers(5, 60)), **common)
    if rng.random() < 0.01:
        yield event("e", "error", 50, error_code="overloaded", http_status=503, **common)
        return
    wait_ms = float(users.latency_ms[user] * rng.lognormal(0, 0.3) + effect.latency_ms)
    yield event("s", "shown", int(wait_ms), source="network", visible_ms=wait_ms, **told)
    if rng.random() >= min(0.95, users.rate[user] * KINDS[kind] * effect.acceptance):
        seen_ms = float(rng.exponential(2_000))
        yield event("d", "dismissed", 2_000, shown_ms=seen_ms, dismiss_reason="typed_over", **told)
        return
    yield event("a", "accepted", 2_000, accepted_chars=chars, shown_ms=1_500.0, **told)
    yield from _tell_persistence(event, users.persistence[user], chars, told, rng)


def _tell_persistence(
    event: Any, persistence: float, chars: int, told: dict[str, Any], rng: np.random.Generator
) -> Iterator[Event]:
    kept = rng.random() < persistence
    gone_at = 30 if not kept and rng.random() < 0.4 else None
    censored_from = int(rng.choice(WINDOWS_S)) if rng.random() < 0.12 else None
    for after_s in WINDOWS_S:
        if gone_at is not None:
            found: dict[str, Any] = {"removed": True, "difference": 1.0}
        elif censored_from is not None and after_s >= censored_from:
            found = {"censored": True, "censor_reason": "editor_closed"}
        else:
            difference = float(rng.uniform(0, 0.3) if kept else rng.uniform(0.33, 0.9))
            found = {"difference": difference, "retained_chars": int(chars * (1 - difference))}
        yield event(f"p{after_s}", "persisted", 2_000 + after_s, after_s=after_s, **found, **told)
        if gone_at is not None:
            return
