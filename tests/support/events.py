"""Events for tests: plausible, short to write, and any valid one for hypothesis."""

import itertools
from typing import Any

from hypothesis import strategies as st

from fimserve.telemetry import EVENT_RULES, Event
from fimserve.telemetry.event import REQUIRED_FIELDS
from fimserve.telemetry.rules import Flag, Number, OneOf, Rule, Shape, Text, Whole

_counter = itertools.count()


def make_event(id_: str | None = None, **values: Any) -> Event:
    """Return a `shown` event, unless values say otherwise.

    Args:
        id_: Its id; a new one where None.
        **values: Fields.
    """
    known: dict[str, Any] = {"type": "shown", "at_ms": 1_700_000_000_000, "completion_id": "cmpl-1"}
    return Event(id=id_ or f"event-{next(_counter)}", **(known | values))


def make_events(num: int, **values: Any) -> list[Event]:
    """Return as many different events.

    Args:
        num: How many.
        **values: Fields of all of them.
    """
    return [make_event(**values) for _ in range(num)]


def values_of(rule: Rule) -> st.SearchStrategy[Any]:
    """Return the values that a rule allows."""
    match rule:
        case Flag():
            return st.booleans()
        case Whole():
            return st.integers(rule.min, rule.max)
        case Number():
            return st.floats(rule.min, rule.max)
        case OneOf():
            return st.sampled_from(rule.values)
        case Shape():
            return st.from_regex(rule.pattern, fullmatch=True)
        case Text():
            characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
            return st.text(characters, max_size=40)
    raise AssertionError(rule)


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    """Return any valid event."""
    names = draw(st.sets(st.sampled_from(sorted(EVENT_RULES.keys() - REQUIRED_FIELDS))))
    values = {name: draw(values_of(EVENT_RULES[name])) for name in (*REQUIRED_FIELDS, *names)}
    for name in ("after_s", "difference", "removed", "censored"):
        values.pop(name, None)
    if values["type"] not in ("requested", "error"):
        values.setdefault("completion_id", "cmpl-1")
    if values["type"] == "partially_accepted":
        values.setdefault("accepted_chars", draw(st.integers(0, 100)))
    if values["type"] == "persisted":
        observed = draw(
            st.sampled_from([{"difference": 0.25}, {"removed": True}, {"censored": True}])
        )
        values |= {"after_s": draw(st.sampled_from([30, 120, 300, 600]))} | observed
    return Event(**values)
