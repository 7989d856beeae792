"""The schema: what is valid survives every trip, what is not is refused by name."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.telemetry import EVENT_RULES, Event, EventError
from fimserve.telemetry.rules import OneOf, Shape
from support.events import any_event, make_event

ACCEPTED: dict[str, Any] = {
    "id": "a-1",
    "type": "accepted",
    "at_ms": 1_700_000_000_000,
    "completion_id": "cmpl-1",
}
PERSISTED = ACCEPTED | {"type": "persisted", "after_s": 30}


@settings(deadline=None)
@given(any_event())
def test_an_event_is_the_same_after_json(event: Event) -> None:
    assert Event.from_json(json.loads(json.dumps(event.to_json()))) == event


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(EVENT_RULES)), st.none() | st.booleans() | st.floats()
       | st.integers() | st.text() | st.lists(st.integers(), max_size=2)))  # fmt: skip
def test_whatever_comes_is_an_event_or_an_error_that_names_a_field(record: dict[str, Any]) -> None:
    problem = None
    try:
        event = Event.from_json(record)
    except EventError as error:
        problem = error
    if problem is None:
        assert event.id == record["id"]
    else:
        assert problem.field in EVENT_RULES
        assert str(problem).startswith(problem.field)


@settings(deadline=None)
@given(any_event(), st.data())
def test_a_value_of_the_wrong_type_is_refused(event: Event, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(EVENT_RULES)))
    with pytest.raises(EventError) as caught:
        Event.from_json(event.to_json() | {name: [1]})
    assert caught.value.field == name


def test_unknown_keys_are_ignored_and_null_is_absent() -> None:
    event = Event.from_json(ACCEPTED | {"new_in_2031": 1, "kind": None, "at_ms": 1.0})
    assert event == Event.from_json(ACCEPTED | {"at_ms": 1})
    assert isinstance(event.at_ms, int)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": "a\n"}, "id"),
        ({"id": None}, "id"),
        ({"type": "looked_at"}, "type"),
        ({"type": True}, "type"),
        ({"at_ms": -1}, "at_ms"),
        ({"at_ms": 1.5}, "at_ms"),
        ({"at_ms": True}, "at_ms"),
        ({"at_ms": 10**15}, "at_ms"),
        ({"completion_id": None}, "completion_id"),
        ({"kind": "return x + y"}, "kind"),
        ({"kind": "+="}, "kind"),
        ({"language": "def f(x):"}, "language"),
        ({"user_hash": "alice@example.com"}, "user_hash"),
        ({"completion_chars": 2**31}, "completion_chars"),
        ({"ttft_ms": float("nan")}, "ttft_ms"),
        ({"ttft_ms": -0.1}, "ttft_ms"),
        ({"ttft_ms": float("inf")}, "ttft_ms"),
        ({"ttft_ms": 10**400}, "ttft_ms"),
        ({"ttft_ms": True}, "ttft_ms"),
        ({"prefix_chars": 10**400}, "prefix_chars"),
        ({"prefix_chars": 1e300}, "prefix_chars"),
        ({"multiline": 1}, "multiline"),
        ({"completion_text": "a\0b"}, "completion_text"),
        ({"completion_text": "\ud83d"}, "completion_text"),
        ({"completion_text": "x" * 32_769}, "completion_text"),
        ({"type": "partially_accepted"}, "accepted_chars"),
        ({"after_s": 30}, "after_s"),
        ({"difference": 0.0}, "after_s"),
    ],
)
def test_a_wrong_value_is_refused_by_the_field_s_name(values: dict[str, Any], field: str) -> None:
    with pytest.raises(EventError) as caught:
        Event.from_json(ACCEPTED | values)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "observed",
    [
        {"difference": 0},
        {"difference": 0.33, "removed": False, "censored": False},
        {"removed": True},
        {"removed": True, "difference": 1},
        {"censored": True, "censor_reason": "asleep"},
    ],
)
def test_persisted_says_what_was_observed(observed: dict[str, Any]) -> None:
    assert Event.from_json(PERSISTED | observed).after_s == 30


@pytest.mark.parametrize(
    ("observed", "field"),
    [
        ({}, "difference"),
        ({"removed": False, "censored": False}, "difference"),
        ({"difference": 1.01}, "difference"),
        ({"difference": 0.5, "removed": True}, "difference"),
        ({"difference": 0.5, "censored": True}, "censored"),
        ({"removed": True, "censored": True}, "censored"),
        ({"difference": 0.5, "after_s": 31}, "after_s"),
        ({"difference": 0.5, "after_s": None}, "after_s"),
    ],
)
def test_persisted_that_contradicts_itself_is_refused(observed: dict[str, Any], field: str) -> None:
    with pytest.raises(EventError) as caught:
        Event.from_json(PERSISTED | observed)
    assert caught.value.field == field


def test_requests_and_errors_need_no_completion() -> None:
    for type_ in ("requested", "error"):
        assert Event(id="r-1", type=type_, at_ms=0).completion_id is None  # type: ignore[arg-type]


def test_code_is_in_no_error_and_no_repr() -> None:
    secret = "password = 'hunter2'"
    assert secret not in repr(make_event(completion_text=secret, prefix_text=secret))
    with pytest.raises(EventError) as caught:
        make_event(kind=secret)
    assert "hunter2" not in str(caught.value)


def test_an_event_without_its_text_keeps_the_rest() -> None:
    event = make_event("e", completion_text="x = 1", suffix_text="", language="python")
    assert event.has_text
    assert event.without_text() == make_event("e", language="python")
    assert not event.without_text().has_text


def test_no_rule_but_text_lets_a_space_or_a_line_end_through() -> None:
    shapes = [rule for rule in EVENT_RULES.values() if isinstance(rule, Shape)]
    assert len(shapes) >= 20
    assert not any(rule.allows(text) for rule in shapes for text in ("a b", "a\n", "a\tb", "é"))
    words = [rule.values for rule in EVENT_RULES.values() if isinstance(rule, OneOf)]
    assert len(words) == 7


def test_the_schema_brings_no_database_library() -> None:
    code = (
        "import sys; from fimserve.telemetry import Event, EventStore, TelemetrySettings; "
        "sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
