"""From what the editor does to events: the cases that the acceptance rate depends on."""

from typing import Any

import pytest

from fimserve.lsp.document import Edit, Place
from fimserve.lsp.items import Item, Spot
from fimserve.lsp.lifecycle import Lifecycle
from support.fake_clock import FakeClock
from support.lsp_events import EventLog

URI = "file:///w/a.py"


class Screen:
    """A suggestion's life, told step by step."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.clock = FakeClock()
        self.lifecycle = Lifecycle(self.log.maker, lambda: self.clock() / 1000.0)

    def offer(
        self, text: str, at: int = 100, completion_id: str = "c1", uri: str = URI, given: str = ""
    ) -> None:
        """Offer an item at an offset."""
        spot = Spot(Place(0, at), Place(0, at), given)
        item = Item(completion_id, text, spot)
        self.lifecycle.offer(item, uri, at, 0, {"language": "python"})

    def type(self, text: str, at: int, uri: str = URI) -> None:
        """Insert text at an offset."""
        self.lifecycle.follow(uri, Edit(at, 0, text))


@pytest.fixture
def screen() -> Screen:
    """Return an empty screen."""
    return Screen()


def test_shown_and_accepted_is_counted_with_its_length_and_its_time(screen: Screen) -> None:
    screen.offer("x😀\n")
    screen.clock.time_ms += 400
    screen.type("x😀\n", 100)
    accepted = screen.lifecycle.accept("c1")
    assert accepted is not None
    assert (accepted.start, accepted.text) == (100, "x😀\n")
    assert screen.log.types() == ["shown", "accepted"]
    assert screen.log.last("accepted_chars", "shown_ms", "language") == (4, 400.0, "python")
    shown, accepted_event = screen.log.events
    assert shown["view_id"] == accepted_event["view_id"]
    assert shown["id"] != accepted_event["id"]


def test_acceptance_that_comes_before_its_edit_is_the_same(screen: Screen) -> None:
    screen.offer("abc")
    assert screen.lifecycle.accept("c1") is not None
    assert screen.log.last("type", "accepted_chars") == ("accepted", 3)


def test_accepted_twice_counts_once(screen: Screen) -> None:
    screen.offer("abc")
    screen.lifecycle.accept("c1")
    assert screen.lifecycle.accept("c1") is None
    assert screen.log.types() == ["shown", "accepted"]


def test_characters_typed_along_are_not_accepted_ones(screen: Screen) -> None:
    screen.offer("0123456789")
    for index, char in enumerate("012345"):
        screen.type(char, 100 + index)
    screen.type("6789", 106)
    accepted = screen.lifecycle.accept("c1")
    assert accepted is not None
    assert (accepted.start, accepted.text) == (106, "6789")
    assert screen.log.last("accepted_chars") == (4,)
    assert screen.log.types() == ["shown", "accepted"]


def test_offered_again_while_typing_along_it_is_one_view(screen: Screen) -> None:
    screen.offer("0123456789")
    screen.clock.time_ms += 500
    screen.type("01", 100)
    screen.lifecycle.ask(URI, 102)
    screen.offer("23456789", at=102)
    screen.clock.time_ms += 500
    screen.lifecycle.accept("c1")
    assert screen.log.types() == ["shown", "accepted"]
    assert screen.log.last("accepted_chars", "shown_ms") == (8, 1000.0)


def test_backspace_over_what_was_typed_along_keeps_it(screen: Screen) -> None:
    screen.offer("0123")
    screen.type("01", 100)
    screen.lifecycle.follow(URI, Edit(101, 1, ""))
    screen.type("123", 101)
    screen.lifecycle.accept("c1")
    assert screen.log.types() == ["shown", "accepted"]
    assert screen.log.last("accepted_chars") == (3,)


def test_typing_something_else_dismisses_it(screen: Screen) -> None:
    screen.offer("abc")
    screen.clock.time_ms += 749
    screen.type("x", 100)
    assert screen.log.types() == ["shown", "dismissed"]
    assert screen.log.last("dismiss_reason", "shown_ms") == ("typed_over", 749.0)


@pytest.mark.parametrize("edit", [Edit(50, 0, "x"), Edit(99, 1, ""), Edit(100, 1, "a")])
def test_edit_that_is_not_typing_along_dismisses_it(screen: Screen, edit: Edit) -> None:
    screen.offer("abc")
    screen.lifecycle.follow(URI, edit)
    assert screen.log.last("type", "dismiss_reason") == ("dismissed", "typed_over")


def test_edit_of_another_document_does_not(screen: Screen) -> None:
    screen.offer("abc")
    screen.type("x", 100, uri="file:///w/b.py")
    assert screen.log.types() == ["shown"]


@pytest.mark.parametrize(
    ("uri", "cursor", "reason"),
    [(URI, 7, "caret_moved"), ("file:///w/b.py", 100, "file_switched")],
)
def test_asking_elsewhere_dismisses_it(screen: Screen, uri: str, cursor: int, reason: str) -> None:
    screen.offer("abc")
    screen.lifecycle.ask(uri, cursor)
    assert screen.log.last("type", "dismiss_reason") == ("dismissed", reason)


def test_another_suggestion_replaces_it(screen: Screen) -> None:
    screen.offer("abc")
    screen.lifecycle.ask(URI, 100)
    screen.offer("xyz", completion_id="c2")
    assert screen.log.types() == ["shown", "dismissed", "shown"]
    assert screen.log.events[1]["dismiss_reason"] == "replaced"


@pytest.mark.parametrize("end", ["close", "finish"])
def test_nothing_stays_open_at_the_end(screen: Screen, end: str) -> None:
    screen.offer("abc")
    if end == "close":
        screen.lifecycle.close(URI)
    else:
        screen.lifecycle.finish()
    screen.lifecycle.finish()
    assert screen.log.types() == ["shown", "dismissed"]


def test_acceptance_after_a_reformatting_edit_still_counts(screen: Screen) -> None:
    screen.offer("    x\n")
    screen.type("\tx\n", 100)  # an editor that turns blanks into tabs
    assert screen.lifecycle.accept("c1") is not None
    assert screen.log.types() == ["shown", "dismissed", "accepted"]
    assert screen.log.last("accepted_chars") == (6,)


def test_parts_count_as_far_as_they_grow(screen: Screen) -> None:
    screen.offer("x" * 20)
    for length in (5, 5, 12, 7):
        screen.lifecycle.report_partly_accepted("c1", length)
    screen.lifecycle.close(URI)
    partial: list[dict[str, Any]] = [e for e in screen.log.events if "accepted_chars" in e]
    assert [event["accepted_chars"] for event in partial] == [5, 12]
    assert screen.log.types()[-1] == "dismissed"


def test_part_and_then_all_is_the_whole_length_once(screen: Screen) -> None:
    screen.offer("x" * 20)
    screen.lifecycle.report_partly_accepted("c1", 5)
    screen.type("x" * 5, 100)
    screen.type("x" * 15, 105)
    screen.lifecycle.accept("c1")
    screen.lifecycle.report_partly_accepted("c1", 20)
    assert screen.log.types() == ["shown", "partially_accepted", "accepted"]
    assert screen.log.last("accepted_chars") == (20,)


def test_part_then_offered_again_then_all(screen: Screen) -> None:
    screen.offer("x" * 20)
    screen.lifecycle.report_partly_accepted("c1", 5)
    screen.type("x" * 5, 100)
    screen.offer("x" * 15, at=105)
    screen.lifecycle.report_partly_accepted("c1", 2)
    assert screen.log.last("accepted_chars") == (7,)
    screen.type("xx", 105)
    screen.type("x" * 13, 107)
    screen.lifecycle.accept("c1")
    assert screen.log.last("type", "accepted_chars") == ("accepted", 20)


def test_text_of_the_menu_is_not_accepted_text(screen: Screen) -> None:
    screen.offer("print(x)", given="print")
    accepted = screen.lifecycle.accept("c1")
    assert accepted is not None
    assert (accepted.start, accepted.text) == (105, "(x)")
    assert screen.log.last("accepted_chars") == (3,)


def test_editor_that_reports_what_it_shows_is_believed(screen: Screen) -> None:
    screen.lifecycle.report_shown("unknown")
    screen.offer("abc")
    screen.type("x", 100)
    screen.offer("def", at=101, completion_id="c2")
    screen.lifecycle.report_shown("c2")
    screen.lifecycle.report_shown("c2")
    screen.type("y", 101)
    assert screen.log.types() == ["shown", "dismissed"]
    assert {event["completion_id"] for event in screen.log.events} == {"c2"}


def test_suggestions_of_long_ago_are_forgotten(screen: Screen) -> None:
    for number in range(60):
        screen.offer("abc", completion_id=f"c{number}")
    assert screen.lifecycle.accept("c1") is None
    assert screen.lifecycle.accept("c59") is not None
