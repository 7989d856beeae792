"""What may be offered at a cursor: from a completion's text to an item, or to none.

An item whose first line stands behind the cursor already is not made: it would write that again. At
the end of a line there is nothing to write again, and an item may begin with the next line, as the
body below `def f():` does. Knows nothing of servers.

Neovim's development versions before 0.12 hang on both: they look for the first character in which
the buffer behind the item's start and the item's first line differ, past the ends of both
(`runtime/lua/vim/lsp/inline_completion.lua` at 0150bd8; c2c5a02 stops there). They get neither.
"""

from dataclasses import dataclass

from lsprotocol import types

from fimserve.lsp.document import Document, Place
from fimserve.lsp.positions import utf16_units

__all__ = ["ACCEPT_COMMAND", "Item", "Spot", "find_spot", "hangs_on_next_lines", "make_item"]

ACCEPT_COMMAND = "fimserve.didAccept"
"""Command that an editor runs once it has inserted an item; its argument is the completion's id."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an item would go, and what it would begin with."""

    start: Place
    end: Place
    """Not before the start, on the same line: what lies between is replaced."""
    given: str
    """Text of the item chosen in the editor's menu, with which ours has to begin; else empty."""


@dataclass(frozen=True, slots=True)
class Item:
    """One suggestion as the editor gets it."""

    completion_id: str
    text: str
    """What is inserted, line ends as LF: editors turn them into the document's own."""
    spot: Spot

    @property
    def num_added_units(self) -> int:
        """UTF-16 code units that are the completion's, not those of the editor's menu."""
        return utf16_units(self.text) - utf16_units(self.spot.given)

    def to_lsp(self, document: Document) -> types.InlineCompletionItem:
        """Return the protocol's form of the item."""
        return types.InlineCompletionItem(
            insert_text=self.text,
            range=types.Range(
                _to_position(document, self.spot.start), _to_position(document, self.spot.end)
            ),
            command=types.Command(
                title="accepted", command=ACCEPT_COMMAND, arguments=[self.completion_id]
            ),
        )


def find_spot(
    document: Document, position: types.Position, selected: types.SelectedCompletionInfo | None
) -> Spot | None:
    """Return where an item would go, or None where there is no such place.

    Args:
        document: The document.
        position: The cursor.
        selected: What is chosen in the editor's menu.

    Returns:
        The cursor itself, or what the chosen entry would replace; None where that is more than
        one line, which no item can replace.
    """
    if selected is None:
        cursor = document.place_of(position.line, position.character)
        return Spot(cursor, cursor, "")
    start, end = (
        document.place_of(at.line, at.character)
        for at in (selected.range.start, selected.range.end)
    )
    if start.line != end.line or start > end:
        return None
    return Spot(start, end, selected.text)


def hangs_on_next_lines(editor: str | None, version: str | None) -> bool:
    """Return whether an editor may hang on an item that begins with a line end.

    Args:
        editor: Its name, as it says it.
        version: Its version, as it says it.

    Returns:
        True for Neovim's versions of 0.12 that were not released.
    """
    return editor == "Neovim" and (version or "").startswith("0.12.0-dev")


def make_item(
    document: Document, spot: Spot, text: str, completion_id: str, below: bool = True
) -> Item | None:
    """Return the item for a completion, or None where it would show nothing.

    Args:
        document: The document as the editor has it now.
        spot: Where the completion goes.
        text: The completion, without what the editor's menu has already.
        completion_id: Its name.
        below: Whether the item may begin on the next line.

    Returns:
        The item, or None.
    """
    if not text.strip():
        return None
    inserted = spot.given + text
    first_line = inserted.split("\n", 1)[0]
    rest = document.line(spot.start.line)[spot.start.column :]
    if first_line == rest and (rest or not below):
        return None
    return Item(completion_id, inserted, spot)


def _to_position(document: Document, place: Place) -> types.Position:
    return types.Position(place.line, document.units_before(place))
