"""Text written again that already stands right of the cursor on its line.

A model that was not told where to end writes `x)` before `)`. The end of a completion that is the
start of the line's rest goes, unless it is needed: a closing bracket that has its opener in the
completion, or a letter or two that merely happen to be alike. Knows nothing of tokens.
"""

from __future__ import annotations

from fimserve.engine.scan import PAIRS, drop_reopened, match_brackets, scan_by_rules
from fimserve.engine.surroundings import Surroundings

MIN_OVERLAP_CHARS = 4
"""Characters, blanks not counted, that are no coincidence."""
MAX_OVERLAP_CHARS = 256
_QUOTES = "\"'`"


def find_overlap(text: str, around: Surroundings) -> int:
    """Return how many last characters of a completion stand behind the cursor already.

    Args:
        text: The completion.
        around: What stands around the cursor.

    Returns:
        0 where nothing repeats.
    """
    rest = around.line_rest
    for length in range(min(len(rest), len(text), MAX_OVERLAP_CHARS), 0, -1):
        if text.endswith(rest[:length]) and _is_repeated(text[:-length], rest, length, around):
            return length
    return 0


def find_possible_overlap(text: str, rest: str) -> int:
    """Return how many last characters could become, or be, an overlap."""
    for length in range(min(len(rest), len(text), MAX_OVERLAP_CHARS), 0, -1):
        if text.endswith(rest[:length]):
            return length
    return 0


def _is_repeated(kept: str, rest: str, length: int, around: Surroundings) -> bool:
    piece = rest[:length].strip()
    if not piece:
        return True  # blanks that are there already
    indent = kept.rpartition("\n")[2]
    if rest[0].isspace() and indent and indent.isspace():
        return False  # a line like the one below, but indented more
    brackets = scan_by_rules(kept, around.language).brackets
    own = match_brackets(drop_reopened(brackets, kept))
    if own.openers:
        return False
    if piece[0] in PAIRS and len(own.closers) < around.num_unclosed:
        return False  # somebody has to close what the suffix does not
    if piece[0] in _QUOTES:
        # The quote closes the string that the cursor stands in; the one there does as well.
        line = around.line_start + kept.rpartition("\n")[2]
        return line.count(piece[0]) % 2 == 1
    if not any(_is_of_word(char) for char in piece):
        return True
    ends_a_word = not any(_is_of_word(char) for char in rest[length : length + 1])
    return len(piece) >= MIN_OVERLAP_CHARS or (len(piece) >= 2 and ends_a_word)


def _is_of_word(char: str) -> bool:
    return char.isalnum() or char == "_"
