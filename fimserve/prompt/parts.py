"""What a prompt is made of: the text around the cursor, and pieces of other files.

Owns the plain values that callers fill in, and the one rule about line ends: prompts are written
with LF only. Knows nothing of tokens or markers.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Order(StrEnum):
    """Sequence in which prefix, suffix and middle are laid out."""

    PSM = "psm"
    """Prefix, suffix, then the middle is written."""
    SPM = "spm"
    """Suffix, prefix, then the middle is written."""
    MIDDLE_INCREMENT = "middle-increment"
    """PSM up to an anchor, then what was typed since, which the model continues (EFIM)."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of another file of the repository."""

    path: str
    """Path inside the repository; empty where unknown."""
    text: str
    """The piece itself, whole lines."""


@dataclass(frozen=True, slots=True)
class PromptParts:
    """Everything a prompt may tell the model about one cursor position."""

    prefix: str
    """Text before the cursor; in middle-increment order, text before the anchor."""
    suffix: str | None
    """Text after the cursor; None asks for plain continuation, without FIM markers."""
    path: str | None = None
    """Path of the current file inside the repository."""
    repo: str | None = None
    """Name of the repository."""
    language: str | None = None
    """Language id of the current file; guessed from `path` where None."""
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files, most relevant first."""
    increment: str = ""
    """Text typed since the anchor, directly after `prefix`."""

    def with_lf(self) -> "PromptParts":
        """Return these parts with every CRLF turned into LF, also one split by the cursor."""
        if not any("\r" in text for text in self._texts()):
            return self
        prefix, increment, suffix = self.prefix, self.increment, self.suffix or ""
        if prefix.endswith("\r") and (increment or suffix).startswith("\n"):
            prefix = prefix[:-1]
        if increment.endswith("\r") and suffix.startswith("\n"):
            increment = increment[:-1]
        return replace(
            self,
            prefix=to_lf(prefix),
            suffix=None if self.suffix is None else to_lf(suffix),
            increment=to_lf(increment),
            snippets=tuple(Snippet(s.path, to_lf(s.text)) for s in self.snippets),
        )

    def reanchored(self) -> "PromptParts":
        """Return these parts with the anchor at the cursor: the increment joins the prefix."""
        if not self.increment:
            return self
        return replace(self, prefix=self.prefix + self.increment, increment="")

    def _texts(self) -> tuple[str, ...]:
        return (
            self.prefix,
            self.suffix or "",
            self.increment,
            *(snippet.text for snippet in self.snippets),
        )


def to_lf(text: str) -> str:
    """Return the text with CRLF line ends turned into LF."""
    return text.replace("\r\n", "\n")
