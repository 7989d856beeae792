"""An accepted text on its way through later edits, and how much of it is still there.

Edits before it move it, edits inside it grow or shrink it, edits over its borders cut it off
there. Knows nothing of clocks and events.
"""

import sys
from dataclasses import dataclass
from typing import NamedTuple

from fimserve.lsp.document import Edit

__all__ = ["Remains", "TrackedRange", "compare_texts"]


@dataclass(slots=True)
class TrackedRange:
    """Where an accepted text is now, in offsets of its document."""

    start: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is left."""
        return self.start >= self.end

    def move(self, edit: Edit) -> None:
        """Follow one edit.

        Args:
            edit: What changed; the range is where it was before.
        """
        if edit.start >= self.end:
            return
        if edit.end <= self.start:
            self.start += edit.growth
            self.end += edit.growth
        elif edit.start >= self.start and edit.end <= self.end:
            self.end += edit.growth
        elif edit.start >= self.start:  # over the right border
            self.end = edit.start
        else:  # over the left border, or all of it
            kept = max(0, self.end - edit.end)
            self.start = edit.start + len(edit.inserted)
            self.end = self.start + kept


class Remains(NamedTuple):
    """How an accepted text compares with what stands in its place."""

    difference: float
    """Levenshtein distance by the longer length; 1 where nothing is left."""
    retained_chars: int
    """UTF-16 code units on the longest common subsequence."""


def compare_texts(initial: str, current: str) -> Remains:
    """Return what is left of a text.

    Args:
        initial: The text as it was accepted, not empty.
        current: What stands there now.

    Returns:
        Difference and what was kept.
    """
    # Loaded when a first suggestion has aged: nobody starts an editor for it.
    from rapidfuzz.distance import LCSseq, Levenshtein

    left, right = _code_units(initial), _code_units(current)
    difference = Levenshtein.distance(left, right) / max(len(left), len(right))
    return Remains(difference, LCSseq.similarity(left, right))


def _code_units(text: str) -> list[int]:
    """Return the UTF-16 code units of text."""
    if text.isascii():
        return list(text.encode("ascii"))
    encoding = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
    return memoryview(text.encode(encoding, "surrogatepass")).cast("H").tolist()
