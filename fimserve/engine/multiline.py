"""Decide whether a completion may span lines, from the text around the cursor alone.

Several lines are wanted where a block has just been opened and holds nothing yet; anywhere else
people accept a line at a time. The rule follows the public clients (Cody's detectMultiline, Tabby's
single-line trigger): text right of the cursor, or a block that already has a body, means one line.
Knows nothing of tokens, and of languages only what ends a line that opens a block.
"""

from __future__ import annotations

_OPENERS = (":", "{", "(", "[", "=>", "->")
_DOC_ENDS = ('"""', "'''", "*/")


def wants_block(prefix: str, suffix: str) -> bool:
    """Return whether the cursor stands at the start of an empty block.

    Args:
        prefix: Text before the cursor.
        suffix: Text after the cursor.

    Returns:
        True for several lines, False for one.
    """
    rest, _, below = suffix.partition("\n")
    if rest.strip(" \t\r"):
        return False
    lines = prefix.split("\n")
    current = lines[-1]
    opener = next((line for line in reversed(lines) if line.strip()), "")
    next_line = next((line for line in below.split("\n") if line.strip()), "")
    if current.strip():
        return _ends_with(opener, _OPENERS) and _indent(next_line) <= _indent(opener)
    if _ends_with(opener, _OPENERS):
        return _indent(next_line) <= _indent(opener)
    # A block that holds its documentation so far.
    is_documented = _ends_with(opener, _DOC_ENDS) and bool(current)
    return is_documented and _indent(next_line) < _indent(current)


def _ends_with(line: str, endings: tuple[str, ...]) -> bool:
    return line.rstrip().endswith(endings)


def _indent(line: str) -> int:
    """Return the width of a line's indentation, a tab as eight columns; -1 for no line."""
    if not line:
        return -1
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip(" "))
