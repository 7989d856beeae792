"""What a single value of an event may be: one small rule per sort of value.

A rule checks and never converts; what JSON means by a value is `event.py`'s business. The rules
are what keeps code out of the store: a name has no spaces and 64 characters at most.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol

__all__ = [
    "HASH",
    "ID",
    "KIND",
    "NAME",
    "Flag",
    "Number",
    "OneOf",
    "Rule",
    "Shape",
    "Text",
    "Whole",
]


class Rule(Protocol):
    """Says whether a value is allowed, and what would be."""

    def allows(self, value: object) -> bool:
        """Return whether the value may stand in the field.

        Args:
            value: Any value.

        Returns:
            Whether it may.
        """

    @property
    def wanted(self) -> str:
        """What is allowed, as the end of the sentence 'it should be'."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A string of at most 64 characters that has a certain shape."""

    pattern: re.Pattern[str]
    wanted: str

    def allows(self, value: object) -> bool:
        """Return whether the value is a string of the shape."""
        return isinstance(value, str) and self.pattern.fullmatch(value) is not None


ID = Shape(
    re.compile(r"[A-Za-z0-9._-]{1,64}"),
    "1 to 64 of the characters A-Z a-z 0-9 . _ -",
)
"""An id that a client or the server made."""
NAME = Shape(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+#-]{0,63}"),
    "1 to 64 of the characters A-Z a-z 0-9 . _ : / @ + # -, the first a letter or digit",
)
"""Name or version of something that is not the user's: a model, an arm, an editor."""
KIND = Shape(
    re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"),
    "the kind of a named tree-sitter node: 1 to 64 of A-Z a-z 0-9 _, the first no digit",
)
"""Kind of a syntax node, as its tree-sitter grammar calls it."""
HASH = Shape(
    re.compile(r"[0-9a-f]{16,64}"),
    "a hash of 16 to 64 lower-case hexadecimal digits",
)
"""Keyed hash of something that is not to be known here."""


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    wanted: ClassVar[str] = "true or false"

    def allows(self, value: object) -> bool:
        """Return whether the value is a bool."""
        return isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range; one column of 32 bits, or of 64 where the range needs it."""

    min: int = 0
    max: int = 2**31 - 1

    @property
    def wanted(self) -> str:
        """The range in words."""
        return f"a whole number from {self.min} to {self.max}"

    def allows(self, value: object) -> bool:
        """Return whether the value is a whole number of the range; a bool is none."""
        is_int = isinstance(value, int) and not isinstance(value, bool)
        return is_int and self.min <= value <= self.max  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number in a range."""

    min: float = 0.0
    max: float = 1.0

    @property
    def wanted(self) -> str:
        """The range in words."""
        return f"a number from {self.min:g} to {self.max:.10g}"

    def allows(self, value: object) -> bool:
        """Return whether the value is a finite number of the range; a bool is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.min <= value <= self.max  # NaN is in no range


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few values, all strings or all whole numbers."""

    values: tuple[str, ...] | tuple[int, ...]

    @property
    def wanted(self) -> str:
        """The values."""
        return f"one of {', '.join(map(str, self.values))}"

    def allows(self, value: object) -> bool:
        """Return whether the value is one of them; True is not 1."""
        return isinstance(value, str | int) and not isinstance(value, bool) and value in self.values


@dataclass(frozen=True, slots=True)
class Text:
    """Text of the user's, kept only where the operator said so."""

    max_chars: int = 32_768

    @property
    def wanted(self) -> str:
        """The limits in words."""
        return f"text of at most {self.max_chars} characters, valid Unicode without NUL"

    def allows(self, value: object) -> bool:
        """Return whether the value is short enough and can be stored by every database."""
        if not isinstance(value, str) or len(value) > self.max_chars or "\0" in value:
            return False
        return not any("\ud800" <= char <= "\udfff" for char in value)
