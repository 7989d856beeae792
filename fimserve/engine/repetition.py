"""Repetition: when a completion goes round in circles, and where it should have ended.

Small models at temperature 0 fall into loops of a line, a few lines, or a piece of one line. What
was written before the second turn is kept. Knows nothing of tokens and languages.
"""

from __future__ import annotations

MAX_CYCLE_LINES = 4
MIN_LINE_TURNS = 4
"""Equal lines in a row; three are a table of zeros, Tabby allows five."""
MIN_CYCLE_TURNS = 3
"""Equal groups of two to four lines in a row."""
MAX_PERIOD_CHARS = 60
_SHORT_PERIOD_CHARS = 10
_SHORT_TURNS = 8
_LONG_TURNS = 4
_MIN_PERIOD_CHARS = 3


class LineLoop:
    """Watches whole lines for cycles of one to four."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._runs = [0] * (MAX_CYCLE_LINES + 1)
        self.num_held = 0
        """Last lines that repeat earlier ones and may yet turn out to be a loop."""
        self.is_found = False
        """Whether they are one; the lines held are what it repeats."""

    def add(self, line: str) -> None:
        """Note a further line with text.

        Args:
            line: The line, without its end.
        """
        self._lines.append(line.rstrip())
        for size in range(1, MAX_CYCLE_LINES + 1):
            repeats = len(self._lines) > size and self._lines[-1] == self._lines[-1 - size]
            self._runs[size] = self._runs[size] + 1 if repeats else 0
        self.num_held = max(self._runs)
        for size in range(1, MAX_CYCLE_LINES + 1):
            num_turns = MIN_LINE_TURNS if size == 1 else MIN_CYCLE_TURNS
            if self._runs[size] >= (num_turns - 1) * size:
                self.is_found, self.num_held = True, self._runs[size]
                return


class CharLoop:
    """Watches the characters of one line for a piece that comes again and again.

    Two turns are kept, for the second cannot be told from an ordinary repetition before it is
    whole.
    """

    def __init__(self) -> None:
        self._line = ""
        self.num_held = 0
        """Last characters that may turn out to be a loop's further turns."""
        self.is_found = False
        """Whether they are."""

    def add(self, char: str) -> None:
        """Note a further character.

        Args:
            char: One character; a line end starts anew.
        """
        self.num_held = 0
        if char == "\n":
            self._line = ""
            return
        line = self._line = self._line + char
        end = line[-_MIN_PERIOD_CHARS:]
        last = len(line) - _MIN_PERIOD_CHARS
        first = max(0, last - MAX_PERIOD_CHARS)
        at = line.rfind(end, first, len(line) - _MIN_PERIOD_CHARS)
        while at >= 0 and not self.is_found:
            self._check_period(line, last - at)
            at = line.rfind(end, first, at + _MIN_PERIOD_CHARS - 1)

    def _check_period(self, line: str, period: int) -> None:
        piece = line[-period:]
        if line[-2 * period : -period] != piece or not _is_telling(piece):
            return
        run = period
        while run + period < len(line) and line[-1 - run] == line[-1 - run - period]:
            run += 1
        num_turns = _SHORT_TURNS if period < _SHORT_PERIOD_CHARS else _LONG_TURNS
        self.is_found = run >= (num_turns - 1) * period
        self.num_held = run - period if self.is_found else max(self.num_held, run - period)


def _is_telling(piece: str) -> bool:
    """Return whether a piece is more than a ruler of dashes, blanks or zeros."""
    return any(char.isalnum() for char in piece) and len(set(piece)) > 2
