"""Columns of a line: in characters here, in the code units that were agreed on with the editor.

A column that does not exist becomes the nearest one to its left: past the end of the line it is
the end, inside a surrogate pair or a UTF-8 sequence it is the beginning of the character.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

__all__ = ["ENCODINGS", "Encoding", "count_units", "to_column", "to_units", "utf16_units"]

Encoding: TypeAlias = Literal["utf-8", "utf-16", "utf-32"]
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")

FIRST_ASTRAL = 0x10000
"""First code point that UTF-16 writes as two units."""

_UNITS_OF: dict[Encoding, Callable[[str], int]] = {
    # Half a surrogate pair can stand alone in JSON; it takes three bytes like its neighbours.
    "utf-8": lambda text: len(text.encode("utf-8", "surrogatepass")),
    "utf-16": lambda text: len(text) + sum(ord(char) >= FIRST_ASTRAL for char in text),
    "utf-32": len,
}


def count_units(text: str, encoding: Encoding) -> int:
    """Return how many code units text takes."""
    return len(text) if text.isascii() else _UNITS_OF[encoding](text)


def utf16_units(text: str) -> int:
    """Return the length of text in the unit of events: UTF-16 code units."""
    return count_units(text, "utf-16")


def to_units(line: str, column: int, encoding: Encoding) -> int:
    """Return the code units before a column of a line."""
    return count_units(line[:column], encoding)


def to_column(line: str, num_units: int, encoding: Encoding) -> int:
    """Return the column that lies a number of code units behind the start of a line."""
    if line.isascii() or encoding == "utf-32":
        return min(num_units, len(line))
    units_of = _UNITS_OF[encoding]
    for column, char in enumerate(line):
        num_units -= units_of(char)
        if num_units < 0:
            return column
    return len(line)
