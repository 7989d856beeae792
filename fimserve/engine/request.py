"""One request for a completion, whatever dialect it came in.

Plain values, checked once when made; nothing dialect-specific and nothing of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fimserve.engine.errors import InvalidRequest
from fimserve.prompt import Order, Snippet

MAX_SEED = 2**64 - 1
MAX_CHOICES = 8
"""Most completions of one request."""
MAX_LOGPROBS = 20
"""Most alternatives whose log-probabilities are told per token."""

Priority: TypeAlias = Literal["interactive", "background"]
"""interactive: somebody waits at the cursor; background: prefetching, warming, evaluation."""


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
    stop_token_ids: frozenset[int] = frozenset()
    """Tokens that do the same, besides the model's own end tokens."""
    temperature: float = 0.0
    """0 = always the likeliest token."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together hold this probability."""
    top_k: int = 0
    """Sample among this many of the likeliest tokens; 0 = all."""
    min_p: float = 0.0
    """Sample among tokens at least this likely, as a share of the likeliest one's probability."""
    seed: int | None = None
    """Same seed, same text, whatever else is served at the time; None draws one."""
    n: int = 1
    """How many completions to write; they share the prompt."""
    logprobs: int | None = None
    """Log-probabilities of each token and of this many of the likeliest ones; None tells none."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Added to the scores of tokens, by id."""
    min_tokens: int = 0
    """Tokens before which the model may not end the completion; above 0, trimming and the line
    end do not end it either, only `stop` does."""
    ignore_eos: bool = False
    """Whether neither end tokens nor rules but `stop` end the completion: it has `max_tokens`."""
    deadline_ms: float | None = None
    """Milliseconds after arrival at which the answer ends with what is written by then; a request
    that could not begin before is refused."""
    max_writing_ms: float | None = None
    """Milliseconds after the first token at which the answer ends likewise, or as soon as it holds
    a whole line: a limit that a long prompt does not use up."""
    priority: Priority = "interactive"
    """Who goes first when not all can."""
    streamed: bool = True
    """Whether text is wanted as it is written; False gives it in one piece, which a deadline cuts
    back to the last whole line."""
    tenant: str = "local"
    """Whose request it is; tenants share nothing."""
    session: str | None = None
    """One open document of one user: keeps its cache, and a newer request supersedes an older."""
    order: Order | Literal["auto"] | None = None
    """Layout of the prompt; None takes the one the model prefers, "auto" the one of which this
    session has most in the cache."""
    adapter: str | None = None
    """Name of a loaded LoRA adapter; None takes the model as it is."""
    trim: bool = True
    """Whether text is left out that the suffix already holds, that repeats itself, or that leaves
    the block at the cursor."""
    speculate: bool = True
    """Whether several tokens may be guessed and checked at once; the text is the same."""
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
        if self.top_k < 0:
            raise InvalidRequest(f"top_k is {self.top_k}; use 0 (all) or more")
        if not 0 <= self.min_p <= 1:
            raise InvalidRequest(f"min_p is {self.min_p}; use a number from 0 to 1")
        if not 1 <= self.n <= MAX_CHOICES:
            raise InvalidRequest(f"n is {self.n}; use 1 to {MAX_CHOICES}")
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise InvalidRequest(f"logprobs is {self.logprobs}; use 0 to {MAX_LOGPROBS}")
        if not 0 <= self.min_tokens <= self.max_tokens:
            raise InvalidRequest(
                f"min_tokens is {self.min_tokens}; use 0 to max_tokens, {self.max_tokens}"
            )
        if not all(math.isfinite(bias) for bias in self.logit_bias.values()):
            raise InvalidRequest("logit_bias holds a value that is no finite number")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise InvalidRequest(f"seed is {self.seed}; use a number from 0 to {MAX_SEED}")
        if self.deadline_ms is not None and not self.deadline_ms >= 0:
            raise InvalidRequest(f"deadline_ms is {self.deadline_ms}; use 0 or more")
        if self.max_writing_ms is not None and not self.max_writing_ms >= 0:
            raise InvalidRequest(f"max_writing_ms is {self.max_writing_ms}; use 0 or more")
