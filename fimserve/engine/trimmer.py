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

from collections.abc import Sequence
from typing import NamedTuple

from fimserve.engine.clauses import (
    is_clause,
    is_clause_of,
    is_end,
    starts_with_closer,
)
from fimserve.engine.overlap import MIN_OVERLAP_CHARS, find_overlap, find_possible_overlap
from fimserve.engine.repetition import CharLoop, LineLoop
from fimserve.engine.scan import (
    PAIRS,
    Bracket,
    Match,
    drop_reopened,
    match_brackets,
    scan_by_rules,
)
from fimserve.engine.surroundings import Surroundings, indent_of

_OPENERS = (":", "{", "(", "[", "=>", "->", " do", " then")
_PREPROCESSED = frozenset({"c", "cpp", "csharp", "objective-c"})
_MIN_LINE_CHARS = 3
"""Letters and digits of a line that is not written twice by chance."""


class _Doubled(NamedTuple):
    """Tells what closers of a completion do to what is open around it."""

    position: int | None
    """Where the first is whose partner the suffix has."""
    has_closed: bool
    """Whether one before it, whose partner the suffix lacks, closes something."""


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
        self._num_alike = 0  # whole lines that are those of the suffix so far
        self._alike_at = 0
        self._held_closer: int | None = None  # a closer that the suffix has, on this line
        self._is_open = False  # whether the text ends inside a bracket or string of its own
        self._closes = False  # whether the enclosing bracket is closed and a further clause open
        self._limit: int | None = None  # least indentation of a line of the block
        self._floor = 0  # least indentation of a clause of its statement
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
            self._held_closer = self._find_doubled_here(len(self._text))

    def _find_doubled_here(self, end: int) -> int | None:
        """Return where a text that ends on the cursor's line has a closer that the suffix has."""
        around = self._around
        offset = len(around.line_start)
        scan = scan_by_rules(around.line_start + self._text[:end], around.language)
        own = [Bracket(at - offset, char) for at, char in scan.brackets if at >= offset]
        closers = match_brackets(drop_reopened(own, self._text)).closers
        return self._find_doubled(closers, since=self._line_at).position

    def _settle_held_closer(self, end: int) -> None:
        """Stop at a closer that the suffix has, unless the line goes on to open it again."""
        self._held_closer = None
        doubled = self._find_doubled_here(end)
        if doubled is None:
            return
        num_repeated = find_overlap(self._text[:end], self._around)
        if num_repeated and self._find_doubled_here(end - num_repeated) is None:
            self._stop(end - num_repeated)
        else:
            self._stop_at_closer(doubled)

    def _find_doubled(self, closers: Sequence[Bracket], since: int) -> _Doubled:
        """Return the first closer whose partner the suffix has.

        Closers before a place are past: the line they are in has left.
        """
        has_closed = False
        if self._around.inside != "code":
            return _Doubled(None, has_closed)
        enclosures = list(self._around.enclosures)
        for closer in closers:
            if not enclosures or enclosures[-1].char != PAIRS[closer.char]:
                continue
            enclosure = enclosures.pop()
            if closer.position < since:
                continue
            if enclosure.is_closed:
                return _Doubled(closer.position, has_closed)
            has_closed = True
        return _Doubled(None, has_closed)

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
        if self._limit is None:
            self._note_block(full, start)
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
        is_certain = _num_alnum(full) >= _MIN_LINE_CHARS or is_closing
        if is_certain or self._num_alike > 1:
            self._stop(self._alike_at)
        return self.stopped

    def _lacks_closer(self, start: int) -> bool:
        """Return whether a closer is missing at a place: one that the suffix does not have."""
        own, _ = self._match(start)
        return not own.openers and len(own.closers) < self._around.num_unclosed

    def _note_block(self, full: str, start: int) -> None:
        """Take the first line with text as what the others are measured by."""
        indent = indent_of(full)
        has_opened = full.rstrip().endswith(_OPENERS) and bool(self._around.line_start.strip())
        if start == 0 and not has_opened and full == self._around.line_start:
            return  # the cursor's line was whole: what follows it begins the block
        # A brace before the cursor ends its block by itself, however that is indented.
        is_in_braces = self._around.line_start.rstrip().endswith("{")
        is_by_indent = has_opened and start == 0 and not is_in_braces
        self._limit = indent + 1 if is_by_indent else indent
        owners = (indent_of(line) for line in reversed(self._around.lines_above))
        owner = next((columns for columns in owners if columns < indent), 0)
        self._floor = indent if has_opened else owner

    def _leaves_block(self, line: str, start: int) -> bool:
        """Return whether a line is outside of the block that the first one belongs to."""
        if not line.strip():
            return False
        indent = indent_of(line)
        if self._limit is None or indent >= self._limit:
            return False
        if self._around.language in _PREPROCESSED and line.lstrip().startswith("#"):
            return False
        if starts_with_closer(line):
            return not self._closes_something(start, len(line))
        if is_end(line) and indent >= self._floor:
            return False
        if indent < self._floor or not is_clause_of(line, self._find_head(indent, start)):
            return True
        below = self._around.next_line
        if is_clause(below) and indent_of(below) == indent:
            return True
        self._limit = indent + 1
        return False

    def _find_head(self, indent: int, start: int) -> str:
        """Return the nearest line above that is indented alike."""
        own = (self._around.line_start + self._text[:start]).split("\n")
        lines = [*self._around.lines_above, *own]
        alike = (line for line in reversed(lines) if line.strip() and indent_of(line) == indent)
        return next(alike, "")

    def _closes_something(self, start: int, length: int) -> bool:
        """Return whether a line's closers have an opener in the completion or the window."""
        own, _ = self._match(start + length)
        if all(closer.position < start for closer in own.closers):
            return True
        return bool(self._around.enclosures) and self._around.inside == "code"

    def _check_brackets(self, line: str, end: int, since: int) -> None:
        """Stop at, or behind, the line that closes the block in which the cursor stands."""
        own, is_inside = self._match(end)
        doubled, has_closed = self._find_doubled(own.closers, since)
        if doubled is not None:
            self._stop_at_closer(doubled)
            return
        if since == end:  # what a line closes that left already was looked at as it came
            has_closed = self._has_own_closer(own)
        self._is_open = bool(own.openers) or is_inside
        is_word = is_end(line) and not starts_with_closer(line)
        ends_block = is_word and self._limit is not None and indent_of(line) < self._limit
        if line.rstrip().endswith(":"):
            self._closes = False
        elif (has_closed or self._closes or ends_block) and self._is_open:
            self._closes = True
        elif has_closed or self._closes or ends_block:
            self._stop(end)

    def _has_own_closer(self, own: Match) -> bool:
        enclosures = self._around.enclosures
        if not own.closers or not enclosures or self._around.inside != "code":
            return False
        return enclosures[-1].char == PAIRS[own.closers[0].char]

    def _match(self, end: int) -> tuple[Match, bool]:
        """Return the completion's own unpaired brackets, and whether it ends inside a string."""
        window = self._around.window
        offset = len(window)
        scan = self._around.scanner.scan(window + self._text[:end] + "\n", offset)
        own = [Bracket(at - offset, char) for at, char in scan.brackets]
        is_inside = scan.inside != "code" and self._around.inside == "code"
        return match_brackets(drop_reopened(own, self._text)), is_inside

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


def _num_alnum(line: str) -> int:
    return sum(char.isalnum() for char in line)
