"""One request for a completion, whatever dialect it came in.

Plain values, checked once when made; nothing dialect-specific and nothing of tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fimserve.engine.errors import InvalidRequest
from fimserve.prompt import Order, Snippet

MAX_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """Holds what surrounds the cursor and how to complete it."""

    prefix: str
    """Text before the cursor."""
    suffix: str | None = None
    """Text after the cursor; None asks for a plain continuation of the prefix."""
    language: str | None = None
    """Language id of the file."""
    path: str | None = None
    """Path of the file inside its repository."""
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files, most relevant first."""
    max_tokens: int = 64
    """Most tokens of new text to write; 0 only brings the prompt into the session's cache."""
    multiline: bool | None = None
    """False ends at the first line end after some text; None allows several lines only where a
    block has just been opened, and in a plain continuation."""
    stop: tuple[str, ...] = ()
    """Texts that end the completion and are no part of it; empty ones are ignored."""
    temperature: float = 0.0
    """0 = always the likeliest token."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together hold this probability."""
    seed: int | None = None
    """Same seed, same text; None draws one."""
    deadline_ms: float | None = None
    """Milliseconds after arrival at which the answer ends with what is written by then."""
    tenant: str = "local"
    """Whose request it is; tenants share nothing."""
    session: str | None = None
    """One open document of one user: keeps its cache, and a newer request supersedes an older."""
    order: Order | None = None
    """Layout of the prompt; None takes the one the model prefers."""
    heal: bool = True
    """Whether the last token before the cursor is chosen anew together with what follows it, so
    that the completion may finish a token that the cursor splits; only new text comes back."""

    def __post_init__(self) -> None:
        """Refuse values that no model could serve."""
        if self.max_tokens < 0:
            raise InvalidRequest(f"max_tokens is {self.max_tokens}; use 0 or more")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InvalidRequest(f"temperature is {self.temperature}; use 0 or a positive number")
        if not 0 <= self.top_p <= 1:
            raise InvalidRequest(f"top_p is {self.top_p}; use a number from 0 to 1")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise InvalidRequest(f"seed is {self.seed}; use a number from 0 to {MAX_SEED}")
        if self.deadline_ms is not None and not self.deadline_ms >= 0:
            raise InvalidRequest(f"deadline_ms is {self.deadline_ms}; use 0 or more")
