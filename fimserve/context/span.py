"""A place in a file, and where the symbols of one are defined."""

from typing import NamedTuple

__all__ = ["Location", "Span"]


class Span(NamedTuple):
    """A place in a file, and what stands there if that is known."""

    path: str
    prefix: str
    middle: str | None
    suffix: str

    @property
    def text(self) -> str:
        """The whole file."""
        return self.prefix + (self.middle or "") + self.suffix


class Location(NamedTuple):
    """Where a name is defined."""

    path: str
    """File inside the repository."""
    name: str
    line: int
    """Line of the name, counted from 0."""
