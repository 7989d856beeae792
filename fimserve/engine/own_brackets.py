"""The brackets that a completion writes, against those that are open around the cursor.

A closer whose opener is before the cursor either closes what nobody has closed yet, which ends the
block, or writes again what the suffix has. Knows nothing of lines, blocks and tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fimserve.engine.scan import (
    PAIRS,
    Bracket,
    Match,
    drop_reopened,
    match_brackets,
    scan_by_rules,
)
from fimserve.engine.surroundings import Surroundings


class Unpaired(NamedTuple):
    """Holds the brackets of a completion that lack their partner in it."""

    openers: tuple[Bracket, ...]
    closers: tuple[Bracket, ...]
    is_inside: bool
    """Whether the completion ends inside a string or comment of its own."""

    @property
    def is_open(self) -> bool:
        """Whether it ends inside a bracket, string or comment of its own."""
        return bool(self.openers) or self.is_inside


class Closing(NamedTuple):
    """Tells what closers of a completion do to what is open around it."""

    doubled_at: int | None
    """Where the first is whose partner the suffix has."""
    has_closed: bool
    """Whether one before it, whose partner the suffix lacks, closes something."""


class OwnBrackets:
    """Reads the brackets of one completion as it grows.

    Args:
        around: What stands around the cursor.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._is_in_code = around.inside == "code"

    def find_unpaired(self, text: str) -> Unpaired:
        """Return what lacks its partner in whole lines.

        Args:
            text: The completion, without the end of its last line.

        Returns:
            Positions in the completion.
        """
        window = self._around.window
        scan = self._around.scanner.scan(window + text + "\n", len(window))
        found = _match(scan.brackets, len(window), text)
        return Unpaired(*found, is_inside=scan.inside != "code" and self._is_in_code)

    def find_doubled(self, text: str, since: int) -> int | None:
        """Return where a text, maybe half a line, has a closer that the suffix has too.

        Args:
            text: The completion.
            since: Where to look from.

        Returns:
            The first such place, or None.
        """
        start = self._around.line_start
        scan = scan_by_rules(start + text, self._around.language)
        return self.close(_match(scan.brackets, len(start), text).closers, since).doubled_at

    def close(self, closers: Sequence[Bracket], since: int) -> Closing:
        """Return what closers without a partner in the completion do.

        Args:
            closers: In order.
            since: Those before this place are past: the line they are in has left.

        Returns:
            What those from that place on do.
        """
        has_closed = False
        enclosures = list(self._around.enclosures) if self._is_in_code else []
        for closer in closers:
            if not enclosures or enclosures[-1].char != PAIRS[closer.char]:
                continue
            enclosure = enclosures.pop()
            if closer.position < since:
                continue
            if enclosure.is_closed:
                return Closing(closer.position, has_closed)
            has_closed = True
        return Closing(None, has_closed)

    def closes_innermost(self, found: Unpaired) -> bool:
        """Return whether a completion closes the innermost bracket around the cursor."""
        enclosures = self._around.enclosures
        if not found.closers or not enclosures or not self._is_in_code:
            return False
        return enclosures[-1].char == PAIRS[found.closers[0].char]

    def lacks_closer(self, text: str) -> bool:
        """Return whether a closer is missing behind a text: one that the suffix does not have."""
        found = self.find_unpaired(text)
        return not found.openers and len(found.closers) < self._around.num_unclosed

    def may_start_with_closer(self, text: str, start: int) -> bool:
        """Return whether closers from a place on have an opener, in the text or around it."""
        found = self.find_unpaired(text)
        if all(closer.position < start for closer in found.closers):
            return True
        return bool(self._around.enclosures) and self._is_in_code


def _match(brackets: Sequence[Bracket], offset: int, text: str) -> Match:
    own = [Bracket(at - offset, char) for at, char in brackets if at >= offset]
    return match_brackets(drop_reopened(own, text))
