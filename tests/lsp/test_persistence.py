"""What is said of accepted texts as they grow old."""

import pytest

from fimserve.lsp.document import Document, Place
from fimserve.lsp.lifecycle import Accepted
from fimserve.lsp.persistence import PersistenceWatch
from support.lsp_events import EventLog

START_S = 1_700_000_000.0


class Watched:
    """A document in which `x = accepted` was just completed from `x = `."""

    def __init__(self, text: str = "x = accepted\n") -> None:
        self.log = EventLog()
        self.watch = PersistenceWatch(self.log.maker)
        self.document = Document("file:///w/a.py", text, "python")
        self.watch.add(
            Accepted("c1", self.document.uri, 4, "accepted", {"language": "python"}),
            self.document,
            START_S,
        )

    def edit(self, start: int, end: int, text: str, line: int = 0) -> None:
        """Replace columns of a line."""
        edit = self.document.replace(Place(line, start), Place(line, end), text)
        self.watch.follow(self.document, edit)

    def look_after(self, *ages_s: float) -> None:
        """Look at the texts at ages."""
        for age_s in ages_s:
            self.watch.look(START_S + age_s)

    def facts(self, *names: str) -> list[tuple[object, ...]]:
        """Return fields of all events."""
        return [tuple(event.get(name) for name in names) for event in self.log.events]


def test_untouched_text_is_whole_at_every_window() -> None:
    watched = Watched()
    watched.edit(0, 0, "first = 1\n")
    watched.look_after(29, 30.1, 60, 120.1, 300.1, 600.1, 700)
    assert watched.facts("type", "completion_id", "after_s", "difference", "retained_chars") == [
        ("persisted", "c1", window_s, 0.0, 8) for window_s in (30, 120, 300, 600)
    ]
    assert len(watched.watch) == 0


def test_changed_text_is_compared() -> None:
    watched = Watched()
    watched.edit(4, 6, "AB")
    watched.look_after(30)
    assert watched.facts("difference", "retained_chars", "current_chars", "current_lines") == [
        (0.25, 6, 8, 1)
    ]


def test_removed_text_is_said_once() -> None:
    watched = Watched()
    watched.edit(4, 12, "")
    watched.look_after(30, 120, 300, 600)
    assert watched.facts("after_s", "removed", "difference") == [(30, True, 1.0)]


def test_text_that_arrives_after_its_acceptance_is_found() -> None:
    watched = Watched("x = \n")
    watched.edit(4, 4, "accepted")
    watched.look_after(30)
    assert watched.facts("difference") == [(0.0,)]


def test_text_that_never_arrives_is_censored() -> None:
    watched = Watched("x = \n")
    watched.edit(0, 0, "y")
    watched.look_after(1)
    assert watched.facts("after_s", "censored", "censor_reason") == [
        (window_s, True, "tracking_lost") for window_s in (30, 120, 300, 600)
    ]


@pytest.mark.parametrize(
    ("end", "reason"), [("close", "tracking_lost"), ("finish", "editor_closed")]
)
def test_windows_that_nobody_sees_are_censored(end: str, reason: str) -> None:
    watched = Watched()
    watched.look_after(30, 60)
    if end == "close":
        watched.watch.close(watched.document)
    else:
        watched.watch.finish()
    assert watched.facts("after_s", "difference", "censor_reason") == [
        (30, 0.0, None), (120, None, reason), (300, None, reason), (600, None, reason),
    ]  # fmt: skip


def test_sleep_past_a_window_is_no_observation_of_it() -> None:
    watched = Watched()
    watched.look_after(290, 300.1)
    assert watched.facts("after_s", "difference", "censor_reason") == [
        (30, None, "asleep"), (120, None, "asleep"), (300, 0.0, None),
    ]  # fmt: skip


def test_windows_line_ends_are_no_difference() -> None:
    watched = Watched("x = accepted\r\ny\r\n")
    watched.edit(0, 1, "why", line=1)
    watched.look_after(30)
    assert watched.facts("difference", "current_chars") == [(0.0, 8)]
