"""One file as text, bytes and syntax tree, with positions in characters.

Whatever stands in the file gives a tree; where that would take too long it gives an error.
"""

from bisect import bisect_left
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from tree_sitter import Node, Parser, Point, QueryCursor, Tree

from fimcurriculum.syntax.grammars import Grammar

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Identifiers", "ParseTooLong", "ParsedFile"]

MAX_PARSE_ROUNDS = 20_000
"""Rounds of 100 operations. Code takes 15 per 1,000 characters, what is no code in that language
several times more. Counted and not timed, so that a result does not depend on the machine."""


class ParseTooLong(Exception):
    """A file that the grammar does not get through."""


class Identifiers:
    """The names in a file, in order.

    Args:
        nodes: Their nodes, in any order.
        source: The file.
    """

    def __init__(self, nodes: list[Node], source: bytes) -> None:
        places = sorted((node.start_byte, node.end_byte) for node in nodes)
        self._starts = [start for start, _ in places]
        self._texts = [source[start:end].decode("utf-8", "replace") for start, end in places]
        self._counts = Counter(self._texts)

    def within(self, start: int, end: int) -> Counter[str]:
        """Return the names that begin between two bytes, and how often."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        return Counter(self._texts[first:last])

    def count(self, name: str) -> int:
        """Return how often the file has a name."""
        return self._counts[name]


class ParsedFile:
    """A parsed file. One that takes more than MAX_PARSE_ROUNDS is a ParseTooLong.

    Args:
        text: Its text.
        grammar: What to read it with.
    """

    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.source = text.encode("utf-8", "replace")
        self.tree = _parse(self.source, grammar)
        self._grammar = grammar

    @property
    def has_errors(self) -> bool:
        """Whether some of it is no code in its language."""
        return self.tree.root_node.has_error

    def matches(self) -> list[dict[str, list[Node]]]:
        """Return what the query for spans finds, each match by capture name."""
        cursor = QueryCursor(self._grammar.spans)
        return [captures for _, captures in cursor.matches(self.tree.root_node)]

    @cached_property
    def identifiers(self) -> Identifiers:
        """The names in it."""
        cursor = QueryCursor(self._grammar.identifiers)
        nodes = cursor.captures(self.tree.root_node).get("identifier", [])
        return Identifiers(nodes, self.source)

    def text_of(self, node: Node) -> str:
        """Return a node's text; the node itself would read the whole file for it."""
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def to_char(self, byte: int) -> int:
        """Return the character position of a byte position that begins a character."""
        return byte if self._is_ascii else int(self._chars_before[byte])

    def to_byte(self, char: int) -> int:
        """Return the byte position of a character position."""
        if self._is_ascii:
            return char
        return int(np.searchsorted(self._chars_before, char, side="left"))

    @cached_property
    def _is_ascii(self) -> bool:
        return self.text.isascii()

    @cached_property
    def _chars_before(self) -> "npt.NDArray[np.int64]":
        """Characters that end before each byte position; a byte inside one counts for it."""
        raw = np.frombuffer(self.source, dtype=np.uint8)
        begins = (raw & 0xC0) != 0x80
        counts = np.empty(len(raw) + 1, dtype=np.int64)
        # At a byte that begins a character: the characters before it.
        counts[:-1] = np.cumsum(begins) - 1
        counts[-1] = begins.sum()
        return counts


def _parse(source: bytes, grammar: Grammar) -> Tree:
    num_rounds = 0

    def give_rest(start: int, _: Point) -> bytes:
        return source[start:]

    def count_round(_: int, __: bool) -> bool:
        nonlocal num_rounds
        num_rounds += 1
        return num_rounds >= MAX_PARSE_ROUNDS

    try:
        return Parser(grammar.language).parse(give_rest, progress_callback=count_round)
    except ValueError as error:  # so it says that it was told to stop
        raise ParseTooLong(f"more than {MAX_PARSE_ROUNDS} rounds") from error
