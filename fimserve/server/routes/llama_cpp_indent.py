"""llama.cpp's `n_indent`: a completion ends before a line that is indented less.

Blank lines belong to what follows them, unlike upstream, which ends at every blank line inside a
block. Knows nothing of tokens.
"""

import re

__all__ = ["IndentLimit"]

_LINE_START = re.compile(r"\r?(?:\n[ \t\r]*)+|\r\Z")
"""Line ends, blank lines and the indentation behind them; or half of a line end."""


class IndentLimit:
    """Releases text up to the first line that is indented too little.

    The line at the cursor itself is not looked at: its indentation is outside the completion.

    Args:
        min_chars: Fewest blanks and tabs at the start of a line; 0 lets everything pass.
    """

    def __init__(self, min_chars: int) -> None:
        self._min_chars = min_chars
        self._held = ""
        self.is_reached = False
        """Whether such a line came; nothing is released from then on."""

    def feed(self, text: str) -> str:
        """Return the text that is certain to stay; a line end waits for what follows it."""
        if self.is_reached:
            return ""
        if not self._min_chars:
            return text
        pending = self._held + text
        self._held = ""
        for match in _LINE_START.finditer(pending):
            if match.end() == len(pending):
                self._held = match[0]
                return pending[: match.start()]
            if len(match[0].rpartition("\n")[2]) < self._min_chars:
                self.is_reached = True
                return pending[: match.start()]
        return pending

    def flush(self) -> str:
        """Return what waits, once no further text comes."""
        held, self._held = self._held, ""
        return held
