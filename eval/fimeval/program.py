"""A program around a hole, and what it must print or do: for scores by execution."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a program."""

    stdin: str
    outputs: tuple[str, ...]
    """Acceptable outputs; with none, ending without an error is enough."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program with a hole."""

    language: str
    before: str
    """Text ahead of the hole; not always the prefix that the model sees."""
    after: str
    cases: tuple[Case, ...]

    def fill(self, middle: str) -> str:
        """Return the whole program with an answer in the hole."""
        return self.before + middle + self.after
