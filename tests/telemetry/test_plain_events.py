"""The compiled reader against its slow twin: what it takes is the same, value by value."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.telemetry import EVENT_RULES, Event, EventError, read_plain_events
from support.events import any_event

SHOWN: dict[str, Any] = {"id": "e-1", "type": "shown", "completion_id": "c-1", "at_ms": 1}


def read_slowly(record: Any) -> Event | None:
    """Return the event that a record says; None where it is none."""
    try:
        return Event.from_json(record)
    except EventError:
        return None


def show(event: Event | None) -> str:
    """Return every value of an event with its type: 1 is 1.0 and True otherwise."""
    return "" if event is None else repr([getattr(event, name) for name in EVENT_RULES])


@settings(deadline=None)
@given(st.lists(any_event(), max_size=3))
def test_events_as_they_are_written_here_are_plain(events: list[Event]) -> None:
    read = read_plain_events(json.loads(json.dumps([event.to_json() for event in events])))
    assert read == events
    assert list(map(show, read)) == list(map(show, events))


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from(sorted(EVENT_RULES)),
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from([0, 1, 30, 30.0, 64.0, 2**31, 2**53, 2**70, -0.0, "a\n", "a\0", "\ud83d"])
    | st.text()
    | st.text("abc019._:/-", max_size=70)
    | st.lists(st.integers(), max_size=2),
)
def test_what_is_taken_is_what_the_slow_twin_makes_of_it(name: str, value: object) -> None:
    record = SHOWN | {name: value}
    read = read_plain_events([record])
    if read is not None:
        assert [show(event) for event in read] == [show(read_slowly(record))]


@pytest.mark.parametrize(
    "record",
    [
        SHOWN | {"prefix_chars": 64.0},
        SHOWN | {"schema_version": None},
        SHOWN | {"language": "two words"},
        SHOWN | {"completion_id": None},
        SHOWN | {"after_s": 30},
        {"type": "shown"},
        [],
        None,
    ],
)
def test_what_needs_a_closer_look_is_left_to_it(record: object) -> None:
    assert read_plain_events([SHOWN, record]) is None


def test_unknown_keys_are_ignored_and_null_is_absent() -> None:
    assert read_plain_events([SHOWN | {"new_in_2031": [1], "kind": None, "shown_ms": 800}]) == [
        Event.from_json(SHOWN | {"shown_ms": 800.0})
    ]
