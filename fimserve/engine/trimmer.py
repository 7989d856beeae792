"""Where a completion ends by its meaning, and what of it is not worth showing.

Characters come in, those come out that are certain to stay. A completion ends

- before a bracket that the suffix closes already, or behind the line that closes the innermost
  block around the cursor;
- before a line indented less than the block it belongs to (`else`, `except`, `}` considered);
- where it begins to write the suffix again: the rest of the cursor's line, or the next line;
- before it goes round in circles.

Then text that the suffix repeats, and white space that nothing follows, are cut off its end. The
first line leaves as it comes; later ones when they are whole, since only then is it known whether
they stay. Knows nothing of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fimserve.engine.clauses import is_end
from fimserve.engine.indented_block import IndentedBlock
from fimserve.engine.overlap import MIN_OVERLAP_CHARS, find_overlap, find_possible_overlap
from fimserve.engine.own_brackets import OwnBrackets
from fimserve.engine.repetition import CharLoop, LineLoop
from fimserve.engine.scan import PAIRS
from fimserve.engine.surroundings import Surroundings

_MIN_LINE_CHARS = 3
"""Letters and digits of a line that is not written twice by chance."""
_SINGLE_WORD = re.compile(r"\w+\s*[:;{]?")


class Trimmer:
    """Releases the part of one completion that stays.

    Args:
        around: What stands around the cursor.
        single_line: Whether the completion is one line, which ends elsewhere.
    """

    def __init__(self, around: Surroundings, single_line: bool) -> None:
        self._around = around
        self._single_line = single_line
        self._strips = not around.line_rest or around.line_rest[0].isspace()
        self._text = ""
        self._num_released = 0
        self._line_at = 0  # where the line that is being written starts
        self._has_line = False  # whether a line with text is whole
        self._line_starts: list[int] = []  # of whole lines with text
        self._chars, self._lines = CharLoop(), LineLoop()
        self._brackets = OwnBrackets(around)
        self._block = IndentedBlock(around)
        self._num_alike = 0  # whole lines that are those of the suffix so far
        self._alike_at = 0
        self._held_closer: int | None = None  # a closer that the suffix has, on this line
        self._is_open = False  # whether the text ends inside a bracket or string of its own
        self._closes = False  # whether the enclosing bracket is closed and a further clause open
        self.stopped = False
        """Whether a rule ended the completion; nothing is released from then on."""

    def feed(self, text: str) -> str:
        """Return the text that further text makes certain, maybe none.

        Args:
            text: Any piece of the completion, with LF line ends.

        Returns:
            What stays and was not released before.
        """
        for char in text:
            if self.stopped:
                break
            self._add(char)
        return self._release(len(self._text) if self.stopped else self._count_certain())

    def flush(self) -> str:
        """Return the rest, once no further text comes."""
        if self.stopped:
            return ""
        if self._text[self._line_at :]:
            self._check_line(len(self._text), is_last=True)
        if not self.stopped:
            num_repeated = find_overlap(self._text, self._around)
            self._cut(len(self._text) - num_repeated)
        return self._release(len(self._text))

    def flush_at_line_end(self) -> str:
        """Return the rest up to the last line end behind text; all of it where there is none."""
        if self.stopped or not self._has_line:
            return self.flush()
        self._cut(self._line_at)
        return self._release(len(self._text))

    # --- characters ------------------------------------------------------------------------------

    def _add(self, char: str) -> None:
        self._text += char
        self._chars.add(char)
        if self._chars.is_found:
            self._stop(len(self._text) - self._chars.num_held)
        elif char == "\n":
            self._check_line(len(self._text) - 1, is_last=False)
            self._line_at = len(self._text)
        elif char in PAIRS and self._streams and self._held_closer is None:
            self._held_closer = self._brackets.find_doubled(self._text, self._line_at)

    def _settle_held_closer(self, end: int) -> None:
        """Stop at a closer that the suffix has, unless the line goes on to open it again."""
        self._held_closer = None
        text = self._text[:end]
        doubled_at = self._brackets.find_doubled(text, self._line_at)
        if doubled_at is None:
            return
        kept = text[: len(text) - find_overlap(text, self._around)]
        if kept != text and self._brackets.find_doubled(kept, self._line_at) is None:
            self._stop(len(kept))
        else:
            self._stop_at_closer(doubled_at)

    def _stop_at_closer(self, position: int) -> None:
        """Stop at a closer that the suffix has, and at what stands before it there and here."""
        num_repeated = find_overlap(self._text[: position + 1], self._around)
        self._stop(position + 1 - max(1, num_repeated))

    # --- lines -----------------------------------------------------------------------------------

    @property
    def _streams(self) -> bool:
        """Whether the line being written leaves as it comes."""
        is_first = not self._has_line and not self._around.line_start.strip()
        return self._single_line or self._line_at == 0 or is_first

    def _check_line(self, end: int, is_last: bool) -> None:
        """Apply the rules to the line that ends at a place."""
        start = self._line_at
        line = self._text[start:end]
        full = self._around.line_start + line if start == 0 else line
        streams = self._streams
        if not full.strip():
            return
        if self._held_closer is not None:
            self._settle_held_closer(end)
        if self.stopped:
            return
        if line.strip() and (
            self._repeats_rest(end, is_last) or self._repeats_below(full, start, is_last)
        ):
            return
        if self._single_line:
            return
        if not self._block.is_known:
            self._block.begin(full, is_at_cursor=start == 0)
        elif not self._is_open and self._leaves_block(line, start):
            self._stop(start)
            return
        self._has_line = self._has_line or bool(line.strip())
        self._check_brackets(line, end, since=end if streams else start)
        if self.stopped or not line.strip():
            return
        self._line_starts.append(start)
        self._lines.add(full)
        if self._lines.is_found:
            self._stop(self._line_starts[-self._lines.num_held])

    def _repeats_rest(self, end: int, is_last: bool) -> bool:
        """Stop at a line end that has written the whole rest of the cursor's line again."""
        rest = self._around.line_rest
        if not rest or is_last:
            return False
        num_repeated = find_overlap(self._text[:end], self._around)
        if num_repeated < len(rest):
            return False
        self._stop(end - num_repeated)
        return True

    def _repeats_below(self, full: str, start: int, is_last: bool) -> bool:
        """Stop before lines that the suffix has next; hold those that could still differ."""
        below = self._around.lines_below
        if self._num_alike and not _is_line(full, below, self._num_alike):
            self._num_alike = 0
        if not _is_line(full, below, self._num_alike):
            is_start = bool(below) and below[0].startswith(full) and _size(full) > 0
            if is_last and is_start and _size(full) >= MIN_OVERLAP_CHARS:
                self._stop(start)
            return self.stopped
        if self._num_alike == 0:
            self._alike_at = start
        self._num_alike += 1
        is_closing = is_end(full) and not self._is_open and not self._lacks_closer(start)
        # One line that is asked for, begun below the cursor's, and there already: nothing is new.
        is_all = self._single_line and is_last and start > 0
        is_certain = _is_telling(full) or is_closing or is_all
        if is_certain or self._num_alike > 1:
            self._stop(self._alike_at)
        return self.stopped

    def _lacks_closer(self, start: int) -> bool:
        """Return whether a closer is missing before a line: one that the suffix does not have."""
        return self._brackets.lacks_closer(self._text[: max(0, start - 1)])

    def _leaves_block(self, line: str, start: int) -> bool:
        """Return whether a line is outside of the block that the first one belongs to."""
        text = self._text
        return self._block.is_left_by(
            line,
            text[:start],
            lambda: self._brackets.may_start_with_closer(text[: start + len(line)], start),
        )

    def _check_brackets(self, line: str, end: int, since: int) -> None:
        """Stop at, or behind, the line that closes the block in which the cursor stands."""
        found = self._brackets.find_unpaired(self._text[:end])
        doubled_at, has_closed = self._brackets.close(found.closers, since)
        if doubled_at is not None:
            self._stop_at_closer(doubled_at)
            return
        if since == end:  # what a line closes that left already was looked at as it came
            has_closed = self._brackets.closes_innermost(found)
        self._is_open = found.is_open
        has_ended = has_closed or self._closes or self._block.is_ended_by(line)
        if line.rstrip().endswith(":"):
            self._closes = False
        elif has_ended and self._is_open:
            self._closes = True
        elif has_ended:
            self._stop(end)

    # --- what leaves -----------------------------------------------------------------------------

    def _stop(self, end: int) -> None:
        self._cut(end)
        self.stopped = True

    def _cut(self, end: int) -> None:
        self._text = self._text[:end]
        if self._strips:
            self._text = self._text.rstrip()

    def _count_certain(self) -> int:
        """Return how much of the text no rule can take back."""
        text = self._text
        certain = len(text) - self._chars.num_held
        if not self._streams or self._could_be_next_line():
            certain = min(certain, self._line_at)
        if self._num_alike:
            certain = min(certain, self._alike_at)
        if self._held_closer is not None:
            certain = min(certain, self._held_closer)
        if self._lines.num_held:
            certain = min(certain, self._line_starts[-self._lines.num_held])
        num_alike = find_possible_overlap(text, self._around.line_rest)
        certain = min(certain, len(text) - num_alike)
        return len(text[:certain].rstrip()) if self._strips else certain

    def _could_be_next_line(self) -> bool:
        line = self._text[self._line_at :]
        full = self._around.line_start + line if self._line_at == 0 else line
        below = self._around.next_line.rstrip()
        return below.startswith(full) or below == full.rstrip()

    def _release(self, end: int) -> str:
        start = self._num_released
        self._num_released = max(start, end)
        return self._text[start:end]


def _is_line(full: str, lines: Sequence[str], index: int) -> bool:
    return index < len(lines) and full.rstrip() == lines[index].rstrip()


def _size(line: str) -> int:
    return len(line.strip())


def _is_telling(line: str) -> bool:
    """Return whether a line is not written twice by chance, as `try:` or `break;` are."""
    num_alnum = sum(char.isalnum() for char in line)
    return num_alnum >= _MIN_LINE_CHARS and not _SINGLE_WORD.fullmatch(line.strip())
