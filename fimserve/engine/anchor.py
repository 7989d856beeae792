"""Where the increment of a middle-increment prompt starts.

The anchor is the cursor of an earlier request of the session. While only typing happens, prefix
and suffix of the prompt stay as they were there, and what was typed since follows them: only that
is computed. Any other edit moves the anchor to the cursor.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

MAX_INCREMENT_CHARS = 1024
"""Longest increment; beyond it the anchor moves. Models see short ones in training."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Holds the text around the cursor at the moment of anchoring."""

    prefix: str
    """Text before it."""
    suffix: str
    """Text after it."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that the text takes."""
        return sys.getsizeof(self.prefix) + sys.getsizeof(self.suffix)

    def increment_to(self, prefix: str, suffix: str) -> str | None:
        """Return what was typed since, or None where something else happened too."""
        typed = len(prefix) - len(self.prefix)
        if suffix != self.suffix or not 0 <= typed <= MAX_INCREMENT_CHARS:
            return None
        return prefix[len(self.prefix) :] if prefix.startswith(self.prefix) else None
