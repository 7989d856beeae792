"""A hole written into the text: `hole("x = █├f(1)┤\\n")` is a cursor and what belongs there."""

from typing import NamedTuple

__all__ = ["Hole", "hole"]


class Hole(NamedTuple):
    """A file, and where in it the middle stands."""

    text: str
    start: int
    end: int


def hole(text: str) -> Hole:
    """Return a file with its hole.

    Args:
        text: Text with exactly one `█├ ┤`.

    Returns:
        The text without marks, and the borders of the middle.

    Raises:
        ValueError: If there is no hole or several.
    """
    if not text.count("█├") == text.count("█") == text.count("├") == text.count("┤") == 1:
        raise ValueError("write exactly one hole, as in 'x = █├f(1)┤'")
    start = text.index("█├")
    end = text.index("┤") - 2
    return Hole(text.replace("█├", "").replace("┤", ""), start, end)
