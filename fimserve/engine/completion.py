"""What comes back for a request: pieces as they are written, or the whole.

The texts of all deltas, joined, are the text of the completion.
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
    """Tokens of the prompt that the session's cache held already."""
    completion_tokens: int
    """Tokens of the completion, without the one that ended it and without those that only write
    anew what stands before the cursor (token healing): at most `max_tokens`."""
    queue_ms: float
    """Until work on the request began."""
    ttft_ms: float
    """Until the first token was chosen; until the end where none was."""
    e2e_ms: float
    """Until the end."""


@dataclass(frozen=True, slots=True)
class CompletionDelta:
    """Holds the next piece of a completion; the last one has a finish_reason and the usage."""

    text: str
    """Whole characters that will not change any more; may be empty in the last piece."""
    token_ids: tuple[int, ...]
    """Tokens written since the piece before; their text may follow later."""
    finish_reason: FinishReason | None = None
    """Why the completion ended; None in all pieces but the last."""
    usage: Usage | None = None
    """Counts and times, in the last piece."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Holds a whole completion."""

    text: str
    """The text to insert at the cursor."""
    finish_reason: FinishReason
    """Why it ended."""
    usage: Usage
    """Counts and times."""
