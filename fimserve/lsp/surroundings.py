"""The text around a cursor that is sent for a completion, and the question it becomes.

Large documents are cut to more than any served context can hold. The cut before the cursor moves in
large steps only: a prompt that began somewhere else at each keystroke could reuse nothing of what
the server has computed. Line ends are LF, as models were trained.
"""

from dataclasses import dataclass
from typing import NamedTuple

from fimserve.context import Snippet
from fimserve.lsp.document import Document, Place, normalise_line_ends

__all__ = ["Question", "Surroundings", "find_surroundings", "find_warm_up"]

PREFIX_STEP_CHARS = 32_768
"""The text before the cursor is cut at the first line start behind a multiple of this, so between
one and two of these are sent."""

MAX_SUFFIX_CHARS = 32_768
MAX_WARM_UP_CHARS = 8_192
"""Text computed when a document opens, from its start: what a prompt holds anyway of a document
that is not large."""


class Surroundings(NamedTuple):
    """Text on both sides of a cursor."""

    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a server is asked to complete."""

    around: Surroundings
    path: str | None
    """Path that the model is told, never one of this machine."""
    language: str
    session: str
    """Name of the document for the server, which keeps what it computed under it."""
    request_id: str
    """Name of this question in the logs of both sides."""
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files of the repository."""


def find_surroundings(
    document: Document, start: Place, end: Place | None = None, inserted: str = ""
) -> Surroundings:
    """Return the text around a cursor, or around text that is about to be replaced.

    Args:
        document: The document.
        start: The cursor, or where the replaced text begins.
        end: Where the replaced text ends; None replaces nothing.
        inserted: What will stand there; the cursor is behind it.

    Returns:
        The text on both sides, cut to size.
    """
    offset = document.offset_of(start)
    first = _find_cut(document, offset)
    prefix = document.slice(first, offset) + normalise_line_ends(inserted)
    behind = offset if end is None else document.offset_of(end)
    return Surroundings(prefix, document.slice(behind, behind + MAX_SUFFIX_CHARS))


def find_warm_up(document: Document) -> Surroundings:
    """Return what is worth computing before anybody types: the beginning of a document.

    A prompt in the order of the text then finds each token before the cursor computed, wherever
    the cursor is going to be.
    """
    return Surroundings(document.slice(0, MAX_WARM_UP_CHARS), "")


def _find_cut(document: Document, offset: int) -> int:
    at_least = (offset // PREFIX_STEP_CHARS - 1) * PREFIX_STEP_CHARS
    if at_least <= 0:
        return 0
    place = document.place_at(at_least)
    next_line = document.offset_of(Place(place.line + 1, 0))
    # A single line of such a length has no better place to be cut at.
    return next_line if place.column and next_line < offset else at_least
