"""Whether a snippet gives away what stands at the cursor.

A snippet may name the symbols of the middle: that is what it is for. It may not hold the middle:
not as it is written, whatever the blanks, and not most of its lines.
"""

import re

__all__ = ["Middle"]

_BLANKS = re.compile(r"\s+")
_NAME = re.compile(r"\w*")
MIN_LINE_CHARS = 8
"""Shorter lines, such as `else:` or `});`, stand everywhere."""
MAX_LINE_SHARE = 0.5


class Middle:
    """What no snippet may hold.

    Args:
        text: The middle; a single name and what is blank give nothing away.
    """

    def __init__(self, text: str) -> None:
        squeezed = _squeeze(text)
        self._whole = "" if _NAME.fullmatch(squeezed) else squeezed
        self._lines = _lines_of(text)

    def is_in(self, text: str) -> bool:
        """Return whether a snippet holds it.

        Args:
            text: The snippet.

        Returns:
            Whether the snippet must be left out.
        """
        if self._whole and self._whole in _squeeze(text):
            return True
        if len(self._lines) < 2:
            return False
        shared = len(self._lines & _lines_of(text))
        return shared > MAX_LINE_SHARE * len(self._lines)


def _squeeze(text: str) -> str:
    return _BLANKS.sub("", text)


def _lines_of(text: str) -> set[str]:
    squeezed = (_squeeze(line) for line in text.split("\n"))
    return {line for line in squeezed if len(line) >= MIN_LINE_CHARS}
