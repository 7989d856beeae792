"""One open document: its lines, kept in step with the editor edit by edit.

Lines end where the protocol says so, at LF, CR LF and CR and nowhere else: a form feed or U+2028
inside a line, at which Python's own `splitlines` breaks, would shift every later position.
Offsets count characters with each line end as one, whatever it is in the file. Knows nothing of
messages.
"""

import re
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

from fimserve.lsp.positions import Encoding, to_column, to_units

__all__ = ["Document", "Edit", "Place", "normalise_line_ends"]

_LINE_END = re.compile("\r\n|\n|\r")


class Place(NamedTuple):
    """A place in a document; line and column count from 0, columns in characters."""

    line: int
    column: int


class Edit(NamedTuple):
    """What one change did, without what it left as it was."""

    start: int
    """Offset of the first character that changed."""
    num_removed: int
    """Characters that went away there."""
    inserted: str
    """Text that came instead."""

    @property
    def end(self) -> int:
        """Offset behind what went away, in the text before the edit."""
        return self.start + self.num_removed

    @property
    def growth(self) -> int:
        """Characters by which the document grew."""
        return len(self.inserted) - self.num_removed


def normalise_line_ends(text: str) -> str:
    """Return text with every line end as LF."""
    return _LINE_END.sub("\n", text) if "\r" in text else text


class Document:
    """Holds the text of a document.

    Args:
        uri: What the editor calls it.
        text: The text, line ends as they are.
        language: Editor's language id.
        version: Version that the editor gave it.
        encoding: Unit of the editor's columns.
    """

    def __init__(
        self,
        uri: str,
        text: str,
        language: str,
        version: int | None = None,
        encoding: Encoding = "utf-16",
    ) -> None:
        self.uri = uri
        self.language = language
        self.version = version
        self.encoding = encoding
        self.num_edits = 0
        """Changes so far that changed something."""
        self._lines, self._ends = _split(text)

    @property
    def num_lines(self) -> int:
        """Lines; a document that ends with a line end has an empty last line."""
        return len(self._lines)

    @property
    def text(self) -> str:
        """The whole text as it is in the file."""
        return "".join(line + end for line, end in zip(self._lines, self._ends, strict=True))

    def line(self, index: int) -> str:
        """Return a line without its end."""
        return self._lines[index]

    def place_of(self, line: int, num_units: int) -> Place:
        """Return the place of a position in the editor's units, or the nearest one before it.

        Args:
            line: Line from 0.
            num_units: Code units before it in the line.

        Returns:
            A place that exists.
        """
        if line >= len(self._lines):
            return Place(len(self._lines) - 1, len(self._lines[-1]))
        return Place(line, to_column(self._lines[line], num_units, self.encoding))

    def units_before(self, place: Place) -> int:
        """Return the column of a place in the editor's units."""
        return to_units(self._lines[place.line], place.column, self.encoding)

    def offset_of(self, place: Place) -> int:
        """Return the offset of a place."""
        return sum(map(len, self._lines[: place.line])) + place.line + place.column

    def place_at(self, offset: int) -> Place:
        """Return the place at an offset of the document."""
        starts = list(accumulate((len(line) + 1 for line in self._lines), initial=0))
        line = min(bisect_right(starts, offset), len(self._lines)) - 1
        return Place(line, min(offset - starts[line], len(self._lines[line])))

    def slice(self, start: int, end: int) -> str:
        """Return the text between two offsets, line ends as LF; what lies outside is left out."""
        start, end = max(0, start), max(0, end)
        return self.between(self.place_at(start), self.place_at(end)) if start < end else ""

    def between(self, start: Place, end: Place) -> str:
        """Return the text between two places, line ends as LF."""
        if start.line == end.line:
            return self._lines[start.line][start.column : end.column]
        return "\n".join(
            [
                self._lines[start.line][start.column :],
                *self._lines[start.line + 1 : end.line],
                self._lines[end.line][: end.column],
            ]
        )

    def replace_all(self, text: str) -> Edit:
        """Take over a whole new text.

        Args:
            text: The text, line ends as they are.

        Returns:
            Where it differs from the text before, as one edit.
        """
        before = "\n".join(self._lines)
        self._lines, self._ends = _split(text)
        return self._count(_difference(0, before, "\n".join(self._lines)))

    def replace(self, start: Place, end: Place, text: str) -> Edit:
        """Replace what lies between two places.

        Args:
            start: First place.
            end: Place not before it.
            text: What comes instead, line ends as they are.

        Returns:
            What changed.
        """
        edit = _difference(
            self.offset_of(start), self.between(start, end), normalise_line_ends(text)
        )
        head = self._lines[start.line][: start.column]
        tail = self._lines[end.line][end.column :] + self._ends[end.line]
        first = start.line
        if first > 0 and self._ends[first - 1] == "\r" and (head + text + tail).startswith("\n"):
            # CR of the line before and LF of this text make one line end now.
            first -= 1
            head = self._lines[first] + "\r"
        lines, ends = _split(head + text + tail)
        if end.line < len(self._lines) - 1:
            # The tail brought its line end along, behind which nothing is missing.
            lines, ends = lines[:-1], ends[:-1]
        self._lines[first : end.line + 1] = lines
        self._ends[first : end.line + 1] = ends
        return self._count(edit)

    def _count(self, edit: Edit) -> Edit:
        self.num_edits += edit.num_removed > 0 or edit.inserted != ""
        return edit


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of text and what ends each; the last one has no end."""
    lines, ends, start = [], [], 0
    for found in _LINE_END.finditer(text):
        lines.append(text[start : found.start()])
        ends.append(found[0])
        start = found.end()
    return [*lines, text[start:]], [*ends, ""]


def _difference(offset: int, before: str, after: str) -> Edit:
    """Return one edit from before to after, cut at both sides to what differs."""
    shorter = min(len(before), len(after))
    head = _common_length(before, after, shorter)
    tail = _common_length(before[::-1], after[::-1], shorter - head)
    return Edit(offset + head, len(before) - head - tail, after[head : len(after) - tail])


def _common_length(left: str, right: str, limit: int) -> int:
    # Halving compares slices, at the speed of memcmp: a document may be replaced as a whole.
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
