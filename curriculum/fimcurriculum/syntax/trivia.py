"""Which middles are not worth learning, and why.

Reasons are stable words: they become counters in the data card.
"""

import re

from fimcurriculum.recipe import MiningRecipe

__all__ = ["refuse_middle"]

_WORDS = frozenset(
    [
        "pass",
        "break",
        "continue",
        "return",
        "...",
        "None",
        "True",
        "False",
        "null",
        "nil",
        "true",
        "false",
        "undefined",
        "self",
        "this",
        "return;",
        "break;",
        "continue;",
        "{}",
        "()",
        "[]",
        "int",
        "void",
        "string",
        "bool",
        "str",
        "any",
    ]
)
_ONLY_MARKS = re.compile(r"[\W_]*")
_COMMENT_LINE = re.compile(r"\s*(#(?!!?\[|include|define|if|endif|pragma)|//|/?\*).*")


def refuse_middle(middle: str, recipe: MiningRecipe) -> str | None:
    """Return why a middle is refused, or None to keep it.

    Args:
        middle: Its text, white space at its ends removed.
        recipe: The limits of length.

    Returns:
        A reason, or None.
    """
    if not middle or middle.isspace():
        return "blank"
    if middle in _WORDS:
        return "trivial_word"
    if _ONLY_MARKS.fullmatch(middle):
        return "brackets_only"
    if len(middle) < recipe.min_chars:
        return "too_short"
    if middle.count("\n") >= recipe.max_lines:
        return "too_many_lines"
    if len(middle) > recipe.max_chars:
        return "too_long"
    if all(_COMMENT_LINE.fullmatch(line) for line in middle.splitlines() if line.strip()):
        return "comment_only"
    return None
