"""What comes back for a request: pieces as they are written, or the whole.

The texts of all deltas of one choice, joined, are the text of its completion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

FinishReason: TypeAlias = Literal["stop", "length", "cancelled"]
"""stop: the model or a stop rule ended it; length: a limit of tokens or time did; cancelled: nobody
waits for it any more, or a newer request of its session came."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Holds the counts and times of one request; times are milliseconds since its arrival."""

    prompt_tokens: int
    """Tokens of the prompt, markers included."""
    cached_tokens: int
    """Tokens of the prompt whose keys and values were there already."""
    completion_tokens: int
    """Tokens of all completions, without those that ended them and without those that only write
    anew what stands before the cursor (token healing): at most `max_tokens` each."""
    queue_ms: float
    """Until work on the request began."""
    ttft_ms: float
    """Until the first token was chosen; until the end where none was."""
    e2e_ms: float
    """Until the end."""
    drafted_tokens: int = 0
    """Tokens guessed ahead."""
    accepted_tokens: int = 0
    """Those of them that were right."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Holds how likely one token was."""

    token_id: int
    """The token chosen."""
    token_bytes: bytes
    """Its bytes; none for markers."""
    logprob: float
    """Natural logarithm of the model's own probability, before temperature and filters."""
    top: tuple[tuple[int, bytes, float], ...] = ()
    """Id, bytes and log-probability of the likeliest tokens, likeliest first."""
    text_offset: int = 0
    """Characters of the completion before this token's own; 0 for tokens that only write anew what
    stands before the cursor, and beyond the text's end for tokens that were cut off it."""


@dataclass(frozen=True, slots=True)
class CompletionDelta:
    """Holds the next piece of a completion.

    The last piece of each choice has a finish_reason; the last piece of a request has the usage.
    """

    text: str
    """Whole characters that will not change any more; may be empty in the last piece."""
    token_ids: tuple[int, ...]
    """Tokens written since the piece before; their text may follow later."""
    finish_reason: FinishReason | None = None
    """Why the completion ended; None in all pieces but the last."""
    usage: Usage | None = None
    """Counts and times, in the very last piece."""
    index: int = 0
    """Which of the request's completions this belongs to."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """One for each of `token_ids`, where they were asked for."""
    prompt_tokens: int = 0
    """Tokens of the prompt, markers included; 0 where none was made."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Holds a whole completion."""

    text: str
    """The text to insert at the cursor."""
    finish_reason: FinishReason
    """Why it ended."""
    usage: Usage
    """Counts and times of the request it belongs to."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """One for each token, where they were asked for."""
