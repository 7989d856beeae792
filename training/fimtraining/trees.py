"""Holes that are whole pieces of syntax: nodes of a tree-sitter tree and runs of neighbouring ones.

After AST-FIM (arXiv 2506.00204): half of the holes are one node, drawn by its length, half are
neighbouring children of one node that agree best with a stretch of text drawn at random. The text
may be a window of a file: tree-sitter reads what is broken off at its ends as well as it goes, in
one millisecond for 2,000 characters, so nothing is stored. Knows nothing of tokens.

A parser of its own, not the miner's: that one is made of queries for whole files.
"""

import importlib
import random
from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from tree_sitter import Language, Node, Parser, Tree

from fimtraining.spans import Span

MAX_NODE_SHARE = 0.6
"""A hole of more of the text leaves too little to go by."""
_MIN_BYTES = 2
_MAX_NODES = 4000

_WHEELS = {
    "python": ("tree_sitter_python", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "javascript": ("tree_sitter_javascript", "language"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
}


def sample_subtree(
    text: str, language: str, path: str, rng: random.Random, first_start: int = 0
) -> Span | None:
    """Return a hole that is one node, or neighbouring children of one node.

    Args:
        text: Source text, a whole file or a window of one.
        language: Language of the corpus.
        path: The file's path, whose ending tells TSX from TypeScript.
        rng: Source of every choice.
        first_start: No hole begins before this character.

    Returns:
        The hole, or None where the language has no grammar here or the text no fitting node.
    """
    dialect = "tsx" if path.lower().endswith(".tsx") else language
    if dialect not in _WHEELS:
        return None
    source = text.encode("utf-8", "surrogatepass")
    first = len(text[:first_start].encode("utf-8", "surrogatepass"))
    if len(source) - first < _MIN_BYTES:
        return None
    tree = _parser(dialect).parse(source)
    limits = _Limits(first, len(source), int(MAX_NODE_SHARE * len(source)))
    draw = _draw_node if rng.random() < 0.5 else _draw_aligned
    found = draw(tree, limits, rng)
    if found is None:
        return None
    start, end = found
    if len(source) == len(text):
        return Span(start, end)
    return Span(_num_chars(source, start), _num_chars(source, end))


class _Bytes(NamedTuple):
    start: int
    end: int


class _Limits(NamedTuple):
    """Where a hole may lie, in bytes."""

    first: int
    last: int
    max_size: int

    def hold(self, start: int, end: int) -> bool:
        return start >= self.first and _MIN_BYTES <= end - start <= self.max_size


def _draw_node(tree: Tree, limits: _Limits, rng: random.Random) -> _Bytes | None:
    """Return a node, drawn by its length: so every depth of the tree comes alike."""
    nodes = [
        _Bytes(node.start_byte, node.end_byte)
        for node in _walk(tree)
        if limits.hold(node.start_byte, node.end_byte)
    ]
    if not nodes:
        return None
    weights = [node.end - node.start for node in nodes]
    return rng.choices(nodes, weights)[0]


def _draw_aligned(tree: Tree, limits: _Limits, rng: random.Random) -> _Bytes | None:
    """Return the children of one node that agree best with a random stretch of the text."""
    start, end = sorted(rng.randrange(limits.first, limits.last) for _ in range(2))
    wanted = _Bytes(start, min(end, start + limits.max_size) + 1)
    node = tree.root_node
    best: tuple[float, _Bytes] | None = None
    while True:
        found = _best_children(node, wanted, limits)
        if found and (best is None or found[0] > best[0]):
            best = found
        inner = next(
            (c for c in node.children if c.start_byte <= wanted.start and wanted.end <= c.end_byte),
            None,
        )
        if inner is None:
            return best[1] if best else None
        node = inner


def _best_children(node: Node, wanted: _Bytes, limits: _Limits) -> tuple[float, _Bytes] | None:
    """Return the run of children with the largest intersection over union, and that number."""
    children = node.children
    if not children:
        return None
    starts = [child.start_byte for child in children]
    ends = [child.end_byte for child in children]
    near_start = bisect_left(starts, wanted.start)
    near_end = bisect_left(ends, wanted.end)
    best: tuple[float, _Bytes] | None = None
    for i in range(max(0, near_start - 1), min(len(children), near_start + 1)):
        for j in range(max(i, near_end - 1), min(len(children), near_end + 1)):
            start, end = starts[i], ends[j]
            if not limits.hold(start, end):
                continue
            common = min(end, wanted.end) - max(start, wanted.start)
            share = common / (max(end, wanted.end) - min(start, wanted.start))
            if share > 0 and (best is None or share > best[0]):
                best = share, _Bytes(start, end)
    return best


def _walk(tree: Tree) -> list[Node]:
    """Return named nodes, parents first, at most `_MAX_NODES`."""
    nodes: list[Node] = []
    cursor = tree.walk()
    while len(nodes) < _MAX_NODES:
        node = cursor.node
        if node is not None and node.is_named and not node.is_error:
            nodes.append(node)
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return nodes
    return nodes


def _num_chars(source: bytes, at: int) -> int:
    return len(source[:at].decode("utf-8", "surrogatepass"))


@cache
def _parser(language: str) -> Parser:
    module, function = _WHEELS[language]
    return Parser(Language(getattr(importlib.import_module(module), function)()))
