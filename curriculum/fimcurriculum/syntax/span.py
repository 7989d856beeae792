"""A span: where in a file's text a middle stands, and what it is."""

from dataclasses import dataclass

__all__ = ["Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """A middle of a file; positions are characters of its text."""

    kind: str
    start: int
    end: int
