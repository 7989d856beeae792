"""Tabby's events as events of ours: types, sizes that the id tells, ids that count once."""

from __future__ import annotations

import time

import pytest

from fimserve.server.errors import BadRequest
from fimserve.server.parse import parse_fields
from fimserve.server.routes.tabby_events import EventFields, make_completion_id, to_event
from fimserve.telemetry import Event

TEXT = "if r < 0:\n        raise ValueError(r)"


def event(**fields: object) -> Event:
    """Return the event that a body says."""
    body = {"type": "view", "completion_id": make_completion_id(TEXT), "choice_index": 0}
    return to_event(parse_fields(EventFields, body | fields))


@pytest.mark.parametrize(
    ("said", "meant"), [("view", "shown"), ("select", "accepted"), ("dismiss", "dismissed")]
)
def test_each_type_is_one_of_ours(said: str, meant: str) -> None:
    found = event(type=said, view_id="v1", elapsed=1840)
    assert (found.type, found.view_id, found.shown_ms) == (meant, "v1", 1840.0)
    assert found.client == "tabby"
    assert abs(found.at_ms - time.time() * 1000) < 60_000


def test_id_tells_how_long_the_suggestion_and_its_first_line_are() -> None:
    assert event().completion_chars == len(TEXT)
    assert event(type="select").accepted_chars == len(TEXT)
    line = event(type="select", select_kind="line")
    assert (line.type, line.accepted_chars) == ("partially_accepted", len("if r < 0:"))


@pytest.mark.parametrize(
    ("text", "num_chars", "num_line_chars"),
    [
        ("", 0, 0),
        ("pi", 2, 2),
        ("a\r\nbc", 4, 1),
        ("\n  x\ny", 6, 4),
        ("\U0001f600\n", 3, 2),
        ("\ud83d", 1, 1),
    ],
)
def test_lengths_are_utf16_units_with_line_ends_as_one(
    text: str, num_chars: int, num_line_chars: int
) -> None:
    assert make_completion_id(text).endswith(f".{num_chars}.{num_line_chars}")


def test_foreign_id_is_an_event_without_lengths() -> None:
    found = event(type="select", completion_id="cmpl-6b2f", select_kind="line")
    assert (found.type, found.accepted_chars) == ("partially_accepted", 0)
    assert (found.completion_id, found.completion_chars) == ("cmpl-6b2f", None)


def test_repeated_event_has_the_same_id_and_another_happening_has_not() -> None:
    same = {"completion_id": make_completion_id(TEXT), "view_id": "v1"}
    assert event(**same, elapsed=1).id == event(**same, elapsed=2).id
    others = [
        event(**same),
        event(**same, type="select"),
        event(**same, type="select", select_kind="line"),
        event(**same, choice_index=1),
        event(**same | {"view_id": "v2"}),
    ]
    assert len({found.id for found in others}) == len(others)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "hover"}, "type is 'hover'"),
        ({"completion_id": None}, "completion_id is missing"),
        ({"completion_id": "a b"}, "completion_id"),
        ({"view_id": "x" * 65}, "view_id"),
        ({"choice_index": -1}, "choice_index"),
    ],
)
def test_wrong_events_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        event(**fields)


def test_clock_that_runs_backwards_is_no_reason_to_refuse() -> None:
    assert event(elapsed=-5).shown_ms == 0.0
    assert event(elapsed=10**12).shown_ms == 86_400_000.0
