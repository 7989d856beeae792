"""What stands around the cursor, as far as it decides where a completion ends.

Lines above and below, and the brackets that are open at the cursor together with whether the suffix
closes them. Only a window around the cursor is looked at. Knows nothing of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fimserve.engine.scan import PAIRS, Bracket, Inside, KeptScan, match_brackets
from fimserve.engine.syntax import RuleScanner, Scanner, make_scanner

PREFIX_CHARS = 4096
SUFFIX_CHARS = 2048
TAB_COLUMNS = 8


class Enclosure(NamedTuple):
    """Holds one bracket that is open at the cursor."""

    char: str
    is_closed: bool
    """Whether the suffix has its partner."""
    indent: int
    """Columns that its line is indented by."""


@dataclass(frozen=True, slots=True)
class KeptScans:
    """Holds what rules found around the cursor last, for one session."""

    above: KeptScan = field(default_factory=KeptScan)
    """In the window that ends at the cursor."""
    below: KeptScan = field(default_factory=KeptScan)
    """In the one that starts there."""

    @property
    def num_bytes(self) -> int:
        """Bytes that are kept, about."""
        return self.above.num_bytes + self.below.num_bytes


class Surroundings:
    """Holds what the rules need to know of a document.

    Args:
        prefix: Text before the cursor, LF line ends.
        suffix: Text after it, LF line ends.
        language: Language id, or None.
        parses: Whether a syntax tree is wanted; without it, rules do.
        kept: What was found around the session's last cursor, which changes nothing but the time.
    """

    def __init__(
        self,
        prefix: str,
        suffix: str,
        language: str | None,
        parses: bool = True,
        kept: KeptScans | None = None,
    ) -> None:
        kept = kept or KeptScans()
        self.language = language
        self.window = cut_window(prefix)
        """End of the prefix, from the start of a line."""
        below = suffix[:SUFFIX_CHARS]
        self.line_start = self.window.rpartition("\n")[2]
        """Text before the cursor on its line."""
        self.line_rest = below.partition("\n")[0].rstrip()
        """Text after the cursor on its line, without blanks at its end."""
        self.lines_below = [line for line in below.split("\n") if line.strip()]
        """Lines of the suffix with text, the rest of the cursor's line included."""
        self.lines_above = [line for line in self.window.split("\n")[:-1] if line.strip()]
        """Lines of the window with text, the cursor's left out."""
        make = make_scanner if parses else RuleScanner
        self.scanner: Scanner = make(language, kept.above)
        """Knows the window already."""
        scan = self.scanner.scan(self.window)
        self.inside: Inside = scan.inside
        """What the cursor is inside of."""
        openers = match_brackets(scan.brackets).openers
        closers = match_brackets(kept.below.scan(below, language).brackets).closers
        self.enclosures = _find_enclosures(self.window, openers, below, closers)
        """Brackets open at the cursor, the innermost last."""

    @property
    def num_unclosed(self) -> int:
        """Number of the innermost brackets that the suffix leaves open."""
        marks = [enclosure.is_closed for enclosure in reversed(self.enclosures)]
        return marks.index(True) if True in marks else len(marks)

    @property
    def next_line(self) -> str:
        """The next line below with text, or none."""
        return self.lines_below[0] if self.lines_below else ""


def indent_of(line: str) -> int:
    """Return the columns of white space that a line starts with."""
    start = line[: len(line) - len(line.lstrip())]
    return len(start.expandtabs(TAB_COLUMNS))


def cut_window(prefix: str) -> str:
    """Return the end of a prefix from a line start, better from one that is not indented.

    A window that starts inside a string would be read inside out; code at the left margin is
    seldom inside one.

    Args:
        prefix: Text before the cursor.

    Returns:
        At most PREFIX_CHARS characters.
    """
    if len(prefix) <= PREFIX_CHARS:
        return prefix
    window = prefix[-PREFIX_CHARS:]
    first = window.find("\n") + 1
    place = first
    while 0 < place < PREFIX_CHARS // 2:
        if window[place : place + 1].isalpha():
            return window[place:]
        place = window.find("\n", place) + 1
    return window[first:]


def _find_enclosures(
    window: str, openers: tuple[Bracket, ...], below: str, closers: tuple[Bracket, ...]
) -> list[Enclosure]:
    """Pair the brackets open at the cursor with those that the suffix closes.

    While somebody types, some are missing, and indentation tells which: a closer that starts its
    line belongs to the opener whose line is indented alike. On the cursor's own line the outer ones
    are there, as an editor that closes brackets by itself would leave them.
    """
    line_start = window.rfind("\n") + 1
    line_end = below.find("\n")
    line_end = len(below) if line_end < 0 else line_end
    closed: set[int] = set()
    here = [i for i, opener in enumerate(openers) if opener.position >= line_start]
    closers_here = [closer for closer in closers if closer.position < line_end and here]
    innermost = len(openers)
    for i, closer in zip(reversed(here[: len(closers_here)]), closers_here, strict=False):
        if openers[i].char == PAIRS[closer.char]:
            closed.add(i)
            innermost = i
    num_used = min(len(here), len(closers_here))
    for closer in closers[num_used:]:
        found = _find_partner(window, openers[:innermost], below, closer)
        if found is None:
            break
        closed.add(found)
        innermost = found
    return [
        Enclosure(opener.char, i in closed, indent_of(_line_at(window, opener.position)))
        for i, opener in enumerate(openers)
    ]


def _find_partner(
    window: str, openers: tuple[Bracket, ...], below: str, closer: Bracket
) -> int | None:
    alike = [i for i, opener in enumerate(openers) if opener.char == PAIRS[closer.char]]
    start = below.rfind("\n", 0, closer.position) + 1
    lead = below[start : closer.position]
    # Behind a line that is whole, the rest may be a line of its own whose start is not there yet.
    is_own_line = start > 0 or window.rpartition("\n")[2].strip() != ""
    if is_own_line and not lead.strip(" \t)]}"):
        indent = indent_of(below[start:].partition("\n")[0])
        for i in reversed(alike):
            if indent_of(_line_at(window, openers[i].position)) == indent:
                return i
    return alike[-1] if alike and alike[-1] == len(openers) - 1 else None


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return text[start:].partition("\n")[0]
