"""How much of an accepted suggestion is still there 30 seconds to 10 minutes later.

Watches accepted texts through the edits of their documents and says at each window what is left:
compared, removed, or not observed and why. Knows no clock: the time comes in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fimserve.lsp.document import Document, Edit
from fimserve.lsp.event_maker import EventMaker
from fimserve.lsp.lifecycle import Accepted
from fimserve.lsp.positions import utf16_units
from fimserve.lsp.tracked_range import TrackedRange, compare_texts

__all__ = ["WINDOWS_S", "CensorReason", "PersistenceWatch"]

WINDOWS_S = (30, 120, 300, 600)
"""Ages at which an accepted text is looked at."""

MAX_LATE_S = 10.0
"""A look that comes later, as after a sleep of the machine, says nothing of its window."""
MAX_WATCHED = 200

CensorReason = Literal["editor_closed", "tracking_lost", "asleep"]


@dataclass(slots=True)
class _Watched:
    """One accepted text."""

    accepted: Accepted
    document: Document
    accepted_s: float
    windows_s: list[int]
    """Windows still to come."""
    range: TrackedRange | None = None
    """Where it is; None until the document is seen to hold it."""
    waits_for_edit: bool = True
    """Whether the edit that inserts it may still be on its way."""

    def locate(self) -> None:
        """Find the text where accepting it puts it."""
        start, end = self.accepted.start, self.accepted.start + len(self.accepted.text)
        if self.document.slice(start, end) == self.accepted.text:
            self.range = TrackedRange(start, end)


class PersistenceWatch:
    """Watches accepted texts.

    Args:
        events: Makes the events.
    """

    def __init__(self, events: EventMaker) -> None:
        self._events = events
        self._watched: list[_Watched] = []

    def __len__(self) -> int:
        """Return the number of texts that are watched."""
        return len(self._watched)

    def add(self, accepted: Accepted, document: Document, now_s: float) -> None:
        """Watch a text that was just accepted.

        Args:
            accepted: The suggestion.
            document: Where it went, or is about to go.
            now_s: Unix time.
        """
        watched = _Watched(accepted, document, now_s, list(WINDOWS_S))
        watched.locate()
        self._watched.append(watched)
        if len(self._watched) > MAX_WATCHED:
            self._lose(self._watched[0], "tracking_lost")

    def follow(self, document: Document, edit: Edit) -> None:
        """Follow an edit of a document.

        Args:
            document: The document, changed already.
            edit: What changed.
        """
        for watched in self._of(document):
            if watched.range is not None:
                watched.range.move(edit)
            elif watched.waits_for_edit:
                watched.waits_for_edit = False
                watched.locate()

    def look(self, now_s: float) -> None:
        """Say what is left of every text whose next window has come.

        Args:
            now_s: Unix time.
        """
        for watched in list(self._watched):
            if watched.range is None and not watched.waits_for_edit:
                self._lose(watched, "tracking_lost")
            while watched.windows_s and now_s >= watched.accepted_s + watched.windows_s[0]:
                late_s = now_s - watched.accepted_s - watched.windows_s[0]
                self._observe(watched, watched.windows_s.pop(0), late_s)
            if not watched.windows_s and watched in self._watched:
                self._watched.remove(watched)

    def close(self, document: Document) -> None:
        """Give up the texts of a document that was closed."""
        for watched in self._of(document):
            self._lose(watched, "tracking_lost")

    def finish(self) -> None:
        """Give up everything: the editor goes away."""
        for watched in list(self._watched):
            self._lose(watched, "editor_closed")

    def _of(self, document: Document) -> Iterator[_Watched]:
        return iter([watched for watched in self._watched if watched.document is document])

    def _observe(self, watched: _Watched, window_s: int, late_s: float) -> None:
        if late_s > MAX_LATE_S:
            self._record(watched, window_s, censored=True, censor_reason="asleep")
        elif watched.range is None:
            self._record(watched, window_s, censored=True, censor_reason="tracking_lost")
        elif watched.range.is_empty:
            watched.windows_s.clear()  # removed once is removed for good
            self._record(watched, window_s, removed=True, difference=1.0, retained_chars=0)
        else:
            current = watched.document.slice(watched.range.start, watched.range.end)
            remains = compare_texts(watched.accepted.text, current)
            self._record(
                watched, window_s, difference=remains.difference,
                retained_chars=remains.retained_chars, current_chars=utf16_units(current),
                current_lines=current.count("\n") + 1,
            )  # fmt: skip

    def _lose(self, watched: _Watched, reason: CensorReason) -> None:
        for window_s in watched.windows_s:
            self._record(watched, window_s, censored=True, censor_reason=reason)
        watched.windows_s = []
        self._watched.remove(watched)

    def _record(self, watched: _Watched, window_s: int, **facts: object) -> None:
        self._events.record(
            "persisted", watched.accepted.completion_id, after_s=window_s,
            **{**watched.accepted.facts, **facts},
        )  # fmt: skip
