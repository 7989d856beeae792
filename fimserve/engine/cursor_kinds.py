"""Which syntax nodes surround a cursor, before a completion and after it.

Half-written code ends in nothing that a grammar has a name for, so a name is put at the cursor
first: behind `return ` it makes a `return_statement`, on an empty line a child of the block. Single
words and values, and what is no larger than one, say nothing and are left out; where the code
cannot be read the grammar's `ERROR` stays. Only the nearest part of a long file is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fimserve.engine.language import language_of
from fimserve.engine.syntax import load_grammar

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Point, Tree

__all__ = ["CursorKinds", "find_cursor_kinds"]

MAX_BEFORE_CHARS = 8_192
MAX_AFTER_CHARS = 2_048
"""So much is read of the text around the cursor."""
MAX_PARSE_ROUNDS = 500
"""Rounds of 100 operations. Code of this length takes 150; what is no code may take more."""
NAME = "x"
"""Stands for what is about to be typed."""


@dataclass(frozen=True, slots=True)
class CursorKinds:
    """Kinds of syntax nodes, as the grammar calls them; None where there is none."""

    kind: str | None = None
    """Innermost node around a name at the cursor, larger than that name."""
    parent_kind: str | None = None
    grandparent_kind: str | None = None
    great_grandparent_kind: str | None = None
    line_kind: str | None = None
    """Outermost node that begins on the cursor's line."""
    kind_after: str | None = None
    """Innermost node around the whole completion."""


def find_cursor_kinds(
    prefix: str,
    suffix: str,
    completion: str | None = None,
    language: str | None = None,
    path: str | None = None,
) -> CursorKinds | None:
    """Return the nodes around a cursor.

    Args:
        prefix: Text before it.
        suffix: Text behind it.
        completion: What was written there; None where that is not asked.
        language: Language id.
        path: Path of the file, by which the language is known where it has no id.

    Returns:
        The kinds; None for a language without a grammar, or text that takes too long to read.
    """
    name = language_of(language, path)
    loaded = load_grammar(name) if name else None
    if loaded is None:
        return None
    grammar, _ = loaded
    before, after = _cut(prefix, suffix)
    nodes = _nodes_at_cursor(grammar, before, after)
    if nodes is None:
        return None
    kinds: list[str | None] = [node.type for node in nodes]
    kind, parent, grandparent, great, *_ = [*kinds, None, None, None]
    written = (completion or "").encode(errors="replace")
    return CursorKinds(
        kind=kind,
        parent_kind=parent,
        grandparent_kind=grandparent,
        great_grandparent_kind=great,
        line_kind=_kind_of_line(nodes, before.count(b"\n")),
        kind_after=_kind_around(grammar, before, written, after),
    )


def _cut(prefix: str, suffix: str) -> tuple[bytes, bytes]:
    """Return what is read of the text around the cursor, from the beginning of a line on."""
    before = prefix[-MAX_BEFORE_CHARS:]
    if len(before) < len(prefix):
        before = before[before.find("\n") + 1 :]
    return before.encode(errors="replace"), suffix[:MAX_AFTER_CHARS].encode(errors="replace")


def _nodes_at_cursor(grammar: Language, before: bytes, after: bytes) -> list[Node] | None:
    """Return the named nodes around a name at the cursor, innermost first."""
    at = len(before)
    has_name = before[-1:].isalnum() or before[-1:] == b"_"
    source = before + (b"" if has_name else NAME.encode()) + after
    tree = _parse(grammar, source)
    if tree is None:
        return None
    at -= has_name
    return _outwards(tree.root_node.named_descendant_for_byte_range(at, at + 1))


def _kind_of_line(nodes: list[Node], row: int) -> str | None:
    """Return the kind of the outermost node that begins on a line; the whole file is none."""
    begins = [node.type for node in nodes if node.start_point.row == row and node.parent]
    return begins[-1] if begins else None


def _kind_around(grammar: Language, before: bytes, written: bytes, after: bytes) -> str | None:
    """Return the kind of the innermost node around a completion, white space apart."""
    text = written.strip()
    if not text:
        return None
    tree = _parse(grammar, before + written + after)
    if tree is None:
        return None
    start = len(before) + written.index(text)
    nodes = _outwards(tree.root_node.named_descendant_for_byte_range(start, start + len(text)))
    return nodes[0].type if nodes else None


def _outwards(leaf: Node | None) -> list[Node]:
    """Return a node and those around it, innermost first, from the first that says something on."""
    nodes = []
    node = leaf
    while node is not None:
        nodes.append(node)
        node = node.parent
    if leaf is None or leaf.named_child_count or "comment" in leaf.type:
        return nodes
    size = leaf.end_byte - leaf.start_byte
    return [node for node in nodes if node.end_byte - node.start_byte > size] or nodes[-1:]


def _parse(grammar: Language, source: bytes) -> Tree | None:
    """Return the tree of a text; None once parsing has taken too long."""
    from tree_sitter import Parser

    num_rounds = 0

    def give_rest(start: int, _: Point) -> bytes:
        return source[start:]

    def count_round(_: int, __: bool) -> bool:
        nonlocal num_rounds
        num_rounds += 1
        return num_rounds >= MAX_PARSE_ROUNDS

    try:
        return Parser(grammar).parse(give_rest, progress_callback=count_round)
    except ValueError:  # so it says that it was told to stop
        return None
