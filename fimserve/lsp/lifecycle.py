"""What becomes of suggestions on the screen: shown, typed along, accepted, dismissed.

One suggestion is on the screen at a time. Editors that say when they show one are believed; from
the others, what was returned counts as shown until the text, the caret or another suggestion says
that it is gone. Rules: the definitions of CAR in `docs/lsp.md`.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from fimserve.lsp.document import Edit
from fimserve.lsp.event_maker import EventMaker
from fimserve.lsp.items import Item
from fimserve.lsp.positions import utf16_units

__all__ = ["Accepted", "DismissReason", "Lifecycle", "View"]

MAX_VIEWS = 50
"""Suggestions whose acceptance is still understood."""

DismissReason = Literal["typed_over", "caret_moved", "file_switched", "replaced", "other"]


@dataclass(slots=True)
class View:
    """A suggestion on the screen."""

    completion_id: str
    uri: str
    text: str
    """What accepting it inserts at the anchor, line ends as LF."""
    anchor: int
    """Offset at which the text begins."""
    num_typed: int
    """Characters of the text that stand in the document."""
    num_typed_before: int
    """The same before the last edit, which may have been the acceptance."""
    num_given: int
    """Characters at the beginning of the text that came from the editor's menu."""
    facts: Mapping[str, object]
    view_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    shown_at_s: float | None = None
    """When it appeared; None while nobody has seen it."""
    num_taken_units: int = 0
    """UTF-16 code units accepted in parts, of this text."""
    num_taken_before: int = 0
    """The same of what stood before this text, when the suggestion was longer."""

    @property
    def cursor(self) -> int:
        """Offset of the cursor while the user types along."""
        return self.anchor + self.num_typed

    def units_to(self, num_chars: int) -> int:
        """Return the UTF-16 code units of the text's beginning."""
        return utf16_units(self.text[:num_chars])

    def follow(self, edit: Edit) -> bool:
        """Follow an edit; return whether the suggestion still stands after it."""
        self.num_typed_before = self.num_typed
        if edit.start == self.cursor and edit.num_removed == 0:
            is_typed_along = self.text.startswith(edit.inserted, self.num_typed)
            self.num_typed += len(edit.inserted) if is_typed_along else 0
            return is_typed_along
        if edit.end == self.cursor and edit.start >= self.anchor and not edit.inserted:
            self.num_typed -= edit.num_removed
            return True
        return False


class Accepted(NamedTuple):
    """A suggestion that was accepted."""

    completion_id: str
    uri: str
    start: int
    """Offset at which its text begins."""
    text: str
    """What was inserted, without what stood there already."""
    facts: Mapping[str, object]


class Lifecycle:
    """Turns what the editor does into events about suggestions.

    Args:
        events: Makes the events.
        now_s: Monotonic time in seconds.
    """

    def __init__(self, events: EventMaker, now_s: Callable[[], float]) -> None:
        self._events = events
        self._now_s = now_s
        self._current: View | None = None
        self._views: OrderedDict[str, View] = OrderedDict()
        self._editor_reports_shown = False

    def ask(self, uri: str, cursor: int) -> None:
        """Note that the editor asks at a place: a suggestion elsewhere is gone."""
        view = self._current
        if view is not None and view.uri != uri:
            self._dismiss("file_switched")
        elif view is not None and view.cursor != cursor:
            self._dismiss("caret_moved")

    def offer(
        self, item: Item, uri: str, anchor: int, num_typed: int, facts: Mapping[str, object]
    ) -> None:
        """Note that an item is about to be shown.

        Args:
            item: The item.
            uri: Its document.
            anchor: Offset at which it goes in.
            num_typed: Characters of its text that stand there.
            facts: What events about it say.
        """
        view = View(
            item.completion_id, uri, item.text, anchor, num_typed, num_typed,
            len(item.spot.given), facts,
        )  # fmt: skip
        before = self._current
        if before is not None and before.completion_id == item.completion_id:
            # The same suggestion, as long as it has been looked at.
            view.view_id, view.shown_at_s = before.view_id, before.shown_at_s
            view.num_taken_before = before.num_taken_before + before.num_taken_units
        else:
            self._dismiss("replaced")
        self._current = view
        self._views[view.completion_id] = view
        self._views.move_to_end(view.completion_id)
        while len(self._views) > MAX_VIEWS:
            self._views.popitem(last=False)
        if not self._editor_reports_shown:
            self._show(view)

    def report_shown(self, completion_id: str) -> None:
        """Note that the editor says it shows an item."""
        self._editor_reports_shown = True
        if (view := self._views.get(completion_id)) is not None:
            self._show(view)

    def report_partly_accepted(self, completion_id: str, num_units: int) -> None:
        """Note that the beginning of an item was accepted.

        Args:
            completion_id: The item.
            num_units: UTF-16 code units from the item's start, all parts so far together.
        """
        view = self._views.get(completion_id)
        taken = 0 if view is None else num_units - view.units_to(view.num_given)
        if view is None or taken <= view.num_taken_units:
            return
        view.num_taken_units = taken
        so_far = view.num_taken_before + taken
        self._record(
            "partially_accepted", view, accepted_chars=so_far, shown_ms=self._shown_ms(view)
        )

    def accept(self, completion_id: str) -> Accepted | None:
        """Note that an item was accepted as a whole.

        Args:
            completion_id: The item.

        Returns:
            What was inserted; None where nothing is known of it, or it was accepted before.
        """
        view = self._views.pop(completion_id, None)
        if view is None:
            return None
        is_inserted = view.num_typed == len(view.text)
        num_typed = view.num_typed_before if is_inserted else view.num_typed
        num_own = max(num_typed, view.num_given)
        in_parts = view.num_taken_before + view.num_taken_units
        so_far = utf16_units(view.text[num_own:]) + in_parts
        self._record("accepted", view, accepted_chars=so_far, shown_ms=self._shown_ms(view))
        if self._current is view:
            self._current = None
        return Accepted(
            view.completion_id, view.uri, view.anchor + num_own, view.text[num_own:], view.facts
        )

    def follow(self, uri: str, edit: Edit) -> None:
        """Note an edit of a document."""
        view = self._current
        if view is not None and view.uri == uri and not view.follow(edit):
            self._dismiss("typed_over")

    def close(self, uri: str) -> None:
        """Note that a document was closed."""
        if self._current is not None and self._current.uri == uri:
            self._dismiss("other")

    def finish(self) -> None:
        """Note that the editor goes away."""
        self._dismiss("other")

    def _show(self, view: View) -> None:
        if view.shown_at_s is None:
            view.shown_at_s = self._now_s()
            self._record("shown", view)

    def _dismiss(self, reason: DismissReason) -> None:
        view, self._current = self._current, None
        if view is not None and view.shown_at_s is not None:
            self._record("dismissed", view, dismiss_reason=reason, shown_ms=self._shown_ms(view))

    def _shown_ms(self, view: View) -> float | None:
        return None if view.shown_at_s is None else (self._now_s() - view.shown_at_s) * 1000.0

    def _record(self, kind: str, view: View, **facts: object) -> None:
        self._events.record(
            kind, view.completion_id, view_id=view.view_id, **{**view.facts, **facts}
        )
