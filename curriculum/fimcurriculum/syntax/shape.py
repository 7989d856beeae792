"""What a span's syntax looks like: size, depth, branches, and which names it brings.

Counts nodes that lie wholly inside the span, so cuts between any two characters have a shape too.
"""

from dataclasses import dataclass

from tree_sitter import Node

from fimcurriculum.syntax.parsed_file import ParsedFile
from fimcurriculum.syntax.span import Span

__all__ = ["Shape", "measure_shape"]

_BRANCHES = frozenset(
    [
        "if_statement",
        "if_expression",
        "elif_clause",
        "conditional_expression",
        "ternary_expression",
        "for_statement",
        "for_in_statement",
        "for_range_loop",
        "enhanced_for_statement",
        "foreach_statement",
        "for_expression",
        "while_statement",
        "while_expression",
        "do_statement",
        "loop_expression",
        "for_in_clause",
        "if_clause",
        "case_clause",
        "switch_case",
        "switch_label",
        "case_statement",
        "expression_case",
        "type_case",
        "communication_case",
        "match_arm",
        "switch_section",
        "switch_expression_arm",
        "except_clause",
        "catch_clause",
        "boolean_operator",
        "&&",
        "||",
        "??",
    ]
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The static measures of one span."""

    tree_size: int
    """Named nodes inside."""
    tree_depth: int
    """Longest chain of named nodes, one inside the other."""
    cyclomatic: int
    """1 plus branches."""
    identifiers: tuple[str, ...]
    """Different names inside, sorted."""
    num_new_identifiers: int
    """Those of them that stand nowhere else in the file."""


def measure_shape(file: ParsedFile, span: Span) -> Shape:
    """Return the shape of a span of a file."""
    start, end = file.to_byte(span.start), file.to_byte(span.end)
    names = file.identifiers.within(start, end)
    covering = file.tree.root_node.descendant_for_byte_range(start, max(start, end - 1))
    size, depth, branches = _count_nodes(covering, start, end) if covering else (0, 0, 0)
    return Shape(
        tree_size=size,
        tree_depth=depth,
        cyclomatic=1 + branches,
        identifiers=tuple(sorted(names)),
        num_new_identifiers=sum(file.identifiers.count(n) == times for n, times in names.items()),
    )


def _count_nodes(covering: Node, start: int, end: int) -> tuple[int, int, int]:
    size = deepest = branches = 0
    # By hand and not by recursion: a thousand nested brackets are a file like any other.
    waiting = [(covering, 0)]
    while waiting:
        node, depth = waiting.pop()
        if node.end_byte <= start or node.start_byte >= end:
            continue
        if node.start_byte >= start and node.end_byte <= end:
            branches += node.type in _BRANCHES
            if node.is_named:
                size += 1
                depth += 1
                deepest = max(deepest, depth)
        if node.child_count:
            waiting.extend((child, depth) for child in node.children)
    return size, deepest, branches
