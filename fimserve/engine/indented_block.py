"""The block that a completion belongs to, by indentation.

The first line with text sets it; one that is indented less is outside of it, unless it goes on
with the same statement (`else`, `except`) or closes it (`}`, `end`). Knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Callable

from fimserve.engine.clauses import (
    is_clause,
    is_clause_of,
    is_end,
    is_last_clause,
    starts_with_closer,
)
from fimserve.engine.surroundings import Surroundings, indent_of

_OPENERS = (":", "{", "(", "[", "=>", "->", " do", " then")
_PREPROCESSED = frozenset({"c", "cpp", "csharp", "objective-c"})


class IndentedBlock:
    """Says which line is outside.

    Args:
        around: What stands around the cursor.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._limit: int | None = None  # least indentation of a line of the block
        self._floor = 0  # least indentation of a clause of its statement

    @property
    def is_known(self) -> bool:
        """Whether its first line has come."""
        return self._limit is not None

    def begin(self, full: str, is_at_cursor: bool) -> None:
        """Take the first line with text as what the others are measured by.

        Args:
            full: The line, what stands before the cursor included.
            is_at_cursor: Whether it is the cursor's.
        """
        indent = indent_of(full)
        start = self._around.line_start
        has_opened = full.rstrip().endswith(_OPENERS) and bool(start.strip())
        if is_at_cursor and not has_opened and full == start:
            return  # the cursor's line was whole: what follows it begins the block
        # A brace before the cursor ends its block by itself, however that is indented.
        is_by_indent = has_opened and is_at_cursor and not start.rstrip().endswith("{")
        self._limit = indent + 1 if is_by_indent else indent
        enclosures = self._around.enclosures
        if enclosures and self._around.inside == "code" and not is_by_indent:
            # Inside of brackets indentation is a matter of taste, down to the line that opens them.
            self._limit = min(self._limit, enclosures[-1].indent + 1)
        owners = (indent_of(line) for line in reversed(self._around.lines_above))
        owner = next((columns for columns in owners if columns < indent), 0)
        self._floor = indent if has_opened else owner

    def is_left_by(self, line: str, before: str, closes: Callable[[], bool]) -> bool:
        """Return whether a line is outside; one that goes on with the statement moves the limit.

        Args:
            line: A later line.
            before: The completion before it.
            closes: Tells whether a closer at its start closes anything.

        Returns:
            False where nothing is known yet.
        """
        indent = indent_of(line)
        if not line.strip() or self._limit is None or indent >= self._limit:
            return False
        if self._is_of_no_block(line):
            return False
        if starts_with_closer(line):
            return not closes()
        if is_end(line) and indent >= self._floor:
            return False
        if indent < self._floor or not is_clause_of(line, self._find_head(indent, before)):
            return True
        below = self._around.next_line
        if is_last_clause(line) and is_clause(below) and indent_of(below) == indent:
            return True
        self._limit = indent + 1
        return False

    def is_ended_by(self, line: str) -> bool:
        """Return whether a line is the word that ends the block, such as `end`."""
        is_word = is_end(line) and not starts_with_closer(line)
        return is_word and self._limit is not None and indent_of(line) < self._limit

    def _is_of_no_block(self, line: str) -> bool:
        """Return whether a line stands where it likes: a directive, a comment between brackets."""
        text = line.lstrip()
        if self._around.enclosures and text.startswith(("//", "/*")):
            return True
        return self._around.language in _PREPROCESSED and text.startswith("#")

    def _find_head(self, indent: int, before: str) -> str:
        """Return the nearest line above that is indented alike."""
        own = (self._around.line_start + before).split("\n")
        lines = [*self._around.lines_above, *own]
        alike = (line for line in reversed(lines) if line.strip() and indent_of(line) == indent)
        return next(alike, "")
