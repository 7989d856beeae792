"""What becomes of one suggestion: the events that an editor would send, by chance of its user.

Whether it is accepted depends on the user, the place in the code, how long it took and its length;
what stays of it on the user alone. An arm's effect is added to both.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fimeval.simulation.effect import Effect
from fimeval.simulation.user import User, to_probability

__all__ = ["Offer", "make_error", "make_life", "make_request"]

KINDS = {
    "argument_list": (0.30, 0.35),
    "call": (0.20, 0.15),
    "block": (0.20, -0.25),
    "return_statement": (0.12, 0.10),
    "string": (0.10, -0.60),
    "comment": (0.08, -0.90),
}
"""How often a cursor is at a node of this kind, and what it adds to the log-odds of acceptance."""
PER_100_MS = -0.12
"""What 100 ms more add to the log-odds of acceptance."""
PER_LINE = -0.10
USUAL_MS = 150.0
"""Latency at which a user accepts as he likes to."""
WINDOWS_S = (30, 120, 300, 600)
MEAN_GAZE_MS = 1_400.0
"""Mean time for which a suggestion that is not accepted is seen."""

_KIND_NAMES = tuple(KINDS)
_KIND_SHARES = np.array([share for share, _ in KINDS.values()])


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion as it came."""

    completion_id: str
    num_chars: int
    num_lines: int
    e2e_ms: float
    facts: Mapping[str, object]
    """What the answer said of itself: arm, model, tokens."""


Event = dict[str, Any]


def make_request(at_ms: int, user: User, typed_chars: int, facts: Mapping[str, object]) -> Event:
    """Return the event of an opportunity."""
    return {
        "type": "requested",
        "at_ms": at_ms,
        "trigger": "auto",
        "typed_chars": typed_chars,
        **_place(user),
        **facts,
    }


def make_error(at_ms: int, user: User, facts: Mapping[str, object]) -> Event:
    """Return the event of a request that brought nothing."""
    return {"type": "error", "at_ms": at_ms, "error_code": "Timeout", **_place(user), **facts}


def make_life(
    offer: Offer,
    at_ms: int,
    user: User,
    effect: Effect,
    censored: float,
    rng: np.random.Generator,
) -> list[Event]:
    """Return the events of a suggestion from its showing to its last look.

    Args:
        offer: The suggestion.
        at_ms: When it was asked for, in Unix milliseconds.
        user: Who asked.
        effect: What his arm does.
        censored: Probability that the editor is closed before the last look.
        rng: Chance of this user alone.

    Returns:
        The events without ids, in their order.
    """
    kind = str(rng.choice(_KIND_NAMES, p=_KIND_SHARES))
    about = {
        "completion_id": offer.completion_id,
        "kind": kind,
        "completion_chars": offer.num_chars,
        "completion_lines": offer.num_lines,
        **_place(user),
        **offer.facts,
    }
    shown_at_ms = at_ms + int(offer.e2e_ms)
    log_odds = user.acceptance + effect.acceptance + KINDS[kind][1]
    log_odds += PER_100_MS * (offer.e2e_ms - USUAL_MS) / 100 + PER_LINE * (offer.num_lines - 1)
    is_accepted = rng.random() < to_probability(log_odds)
    gaze_ms = float(np.round(rng.exponential(MEAN_GAZE_MS) + (200.0 if is_accepted else 0.0), 1))
    times = {"visible_ms": offer.e2e_ms, "e2e_ms": offer.e2e_ms, "source": "network"}
    events: list[Event] = [
        {"type": "shown", "at_ms": shown_at_ms, "shown_ms": gaze_ms, **about, **times}
    ]
    ended_ms = shown_at_ms + int(gaze_ms)
    if is_accepted:
        taken = {"accepted_chars": offer.num_chars, "shown_ms": gaze_ms}
        events.append({"type": "accepted", "at_ms": ended_ms, **about, **taken})
        events += _make_looks(offer, ended_ms, about, user.persistence + effect.persistence,
                              censored, rng)  # fmt: skip
    elif rng.random() < 0.1 and offer.num_chars > 1:
        taken = {"accepted_chars": int(rng.integers(1, offer.num_chars))}
        events.append({"type": "partially_accepted", "at_ms": ended_ms, **about, **taken})
    else:
        why = {"dismiss_reason": "typed_over", "shown_ms": gaze_ms}
        events.append({"type": "dismissed", "at_ms": ended_ms, **about, **why})
    return events


def _make_looks(
    offer: Offer,
    accepted_ms: int,
    about: Mapping[str, object],
    log_odds: float,
    censored: float,
    rng: np.random.Generator,
) -> list[Event]:
    """Return what is seen of an accepted suggestion as it grows old."""
    closed_s = rng.uniform(0, WINDOWS_S[-1]) if rng.random() < censored else np.inf
    difference, events = 0.0, []
    for number, window_s in enumerate(WINDOWS_S):
        look = {"type": "persisted", "at_ms": accepted_ms + window_s * 1000, "after_s": window_s}
        if closed_s < window_s:
            rest = WINDOWS_S[number:]
            events += [
                {**about, **look, "after_s": later, "at_ms": accepted_ms + later * 1000,
                 "censored": True, "censor_reason": "editor_closed"}
                for later in rest
            ]  # fmt: skip
            return events
        # Most of what goes, goes at once.
        changes = rng.random() > to_probability(log_odds + (0.0 if number == 0 else 1.5))
        if changes:
            difference = float(np.round(min(1.0, difference + rng.uniform(0.1, 1.0)), 3))
        if difference >= 1.0:
            return [*events, {**about, **look, "removed": True, "retained_chars": 0}]
        kept = {"retained_chars": round(offer.num_chars * (1 - difference))}
        events.append({**about, **look, "difference": difference, **kept})
    return events


def number_events(
    events: list[Event], user: User, run: str, counter: "itertools.count[int]"
) -> None:
    """Give events their ids and their user, in place.

    Args:
        events: Events of one user.
        user: The user.
        run: Begins all ids of a simulation.
        counter: Counts them.
    """
    for event in events:
        event["id"] = f"{run}-{user.hash[:12]}-{next(counter)}"
        event["user_hash"] = user.hash


def _place(user: User) -> dict[str, object]:
    return {"language": user.language, "editor": user.editor, "client": "fimserve-simulation"}
