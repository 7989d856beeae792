"""What this room hands out: a piece of another file, and why it is there.

Knows nothing of prompts; `fimserve.prompt.Snippet` is made of the same path and text.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Reason", "Snippet"]

Reason = Literal["definition", "similar"]
"""`definition`: defines a symbol that the place uses; `similar`: reads like the place (BM25)."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of another file of the repository."""

    path: str
    """Path inside the repository, with slashes."""
    text: str
    """Whole lines without the last line end; lines that were left out stand as `...`."""
    reason: Reason
