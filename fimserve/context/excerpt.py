"""How much of a definition is shown: all of a short one, the outline of a long one."""

from collections.abc import Sequence
from textwrap import dedent as without_margin

from fimserve.context.source_tags import Definition

__all__ = ["MAX_LINES", "Excerpt", "excerpt_of"]

MAX_LINES = 16
"""Lines shown of one definition. A class of this length and its neighbours fill a quarter of a
prompt of 2,048 tokens."""
MAX_COMMENT_LINES = 4
MAX_LINE_CHARS = 200
_COMMENT_MARKS = ("#", "//", "/*", "*", "@", "[")

Excerpt = str


def excerpt_of(
    definition: Definition, lines: Sequence[str], inside: Sequence[Definition] = ()
) -> Excerpt:
    """Return what is shown of a definition.

    Of a long type the first lines and the first line of each member, of anything else that is long
    the first lines; `...` stands for what is left out.

    Args:
        definition: The definition.
        lines: Lines of its file.
        inside: Definitions of the same file.

    Returns:
        Whole lines, the indentation that all of them have taken off.
    """
    start = _with_comment(definition, lines)
    if definition.end_line - start <= MAX_LINES:
        kept = list(range(start, definition.end_line))
    elif definition.kind == "type":
        kept = _outline(definition, start, inside)
    else:
        kept = list(range(start, start + MAX_LINES))
    return dedent([lines[index] for index in kept], kept, definition.end_line)


def dedent(shown: Sequence[str], indices: Sequence[int], end: int) -> Excerpt:
    """Return lines moved to the left as far as all of them are indented, gaps marked.

    A window can begin deeper than it goes on: by the first line's indentation the later ones would
    lose theirs where they have as much, and stand outside of the block that they are in.
    """
    moved = without_margin("\n".join(shown)).split("\n") if shown else []
    written: list[str] = []
    last = indices[0] if indices else 0
    for line, index in zip(moved, indices, strict=True):
        if index > last + 1:
            written.append(_gap(line))
        written.append(line.rstrip()[:MAX_LINE_CHARS])
        last = index
    if indices and last + 1 < end:
        written.append(_gap(written[-1]))
    return "\n".join(written)


def _gap(beside: str) -> str:
    return beside[: len(beside) - len(beside.lstrip())] + "..."


def _outline(definition: Definition, start: int, inside: Sequence[Definition]) -> list[int]:
    members = [
        member
        for member in inside
        if definition.start_line <= member.start_line < definition.end_line
        and member is not definition
    ]
    first = min((member.start_line for member in members), default=start + MAX_LINES)
    kept = set(range(start, min(first, start + MAX_LINES // 2)))
    for member in members:
        if len(kept) >= MAX_LINES:
            break
        kept.add(member.name_line)
    return sorted(kept)


def _with_comment(definition: Definition, lines: Sequence[str]) -> int:
    start = definition.start_line
    while start > max(0, definition.start_line - MAX_COMMENT_LINES) and lines[
        start - 1
    ].strip().startswith(_COMMENT_MARKS):
        start -= 1
    return start
