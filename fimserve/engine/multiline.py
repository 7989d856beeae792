"""Decide whether a completion may span lines, from the text around the cursor alone.

Several lines are wanted where a block has just been opened and holds nothing yet; anywhere else
people accept a line at a time. The rule follows the public clients (Cody's detectMultiline, Tabby's
single-line trigger): text right of the cursor, or a block that already has a body, means one line.
What looks like a block's head is none inside a string or comment, and a colon opens a block only
where the syntax has it so: not behind a key, in a slice or in a conditional expression. Knows
nothing of tokens.
"""

from __future__ import annotations

from fimserve.engine.clauses import first_word, starts_with_closer
from fimserve.engine.scan import match_brackets
from fimserve.engine.surroundings import cut_window
from fimserve.engine.syntax import make_scanner

_OPENERS = (":", "{", "(", "[", "=>", "->")
_OPENERS_AT_CURSOR = (":", "{", "=>")
"""Right behind the others people go on in the same line: arguments, items, a result's type."""
_DOC_ENDS = ('"""', "'''", "*/")
_PYTHON_HEADS = "async case class def elif else except finally for if match try while with"
_LABELS = "case default public private protected"
_WITH_BRACES = (
    "c cpp csharp go java javascript javascriptreact kotlin php rust scala swift typescript "
    "typescriptreact"
)


def wants_block(prefix: str, suffix: str, language: str | None = None) -> bool:
    """Return whether the cursor stands at the start of an empty block.

    Args:
        prefix: Text before the cursor.
        suffix: Text after the cursor.
        language: Language id, or None.

    Returns:
        True for several lines, False for one.
    """
    rest, _, below = suffix.partition("\n")
    if rest.strip(" \t\r"):
        return False
    window = cut_window(prefix)
    lines = window.split("\n")
    current = lines[-1]
    opener = next((line for line in reversed(lines) if line.strip()), "").rstrip()
    next_line = next((line for line in below.split("\n") if line.strip()), "")
    if opener.endswith(_OPENERS_AT_CURSOR if current.strip() else _OPENERS):
        return _indent(next_line) <= _indent(opener) and _opens_block(window, opener, language)
    # A block that holds its documentation so far.
    is_documented = opener.endswith(_DOC_ENDS) and bool(current) and not current.strip()
    is_empty = is_documented and _indent(next_line) < _indent(current)
    return is_empty and make_scanner(language).scan(window).inside == "code"


def _opens_block(window: str, opener: str, language: str | None) -> bool:
    """Return whether a line that ends like the head of a block is one."""
    scan = make_scanner(language).scan(window)
    if scan.inside != "code":
        return False
    if not opener.endswith(":"):
        return True
    if language == "python":
        is_head = first_word(opener) in _PYTHON_HEADS.split() or starts_with_closer(opener)
        return is_head and not match_brackets(scan.brackets).openers
    return language not in _WITH_BRACES.split() or first_word(opener) in _LABELS.split()


def _indent(line: str) -> int:
    """Return the width of a line's indentation, a tab as eight columns; -1 for no line."""
    if not line:
        return -1
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip(" "))
