"""What became of one request: its outcome, its times by the client's clock, its counts.

Knows no dialect. Every request of every bench ends as exactly one `Answer`.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended."""

    DONE = "done"
    """A whole completion came."""
    CANCELLED = "cancelled"
    """The client itself left: the next key was pressed, or the bench wanted it so."""
    REFUSED = "refused"
    """429 or 503: the server said that it cannot answer in time."""
    FAILED = "failed"
    """Anything else: another status, a broken stream, no connection, no bytes."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the server counted; None where it does not say, or says what cannot be."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    new_tokens: int | None = None

    @property
    def is_plausible(self) -> bool:
        """Whether no count is negative and no more was cached than was asked."""
        known = [
            count
            for count in (self.prompt_tokens, self.cached_tokens, self.new_tokens)
            if count is not None
        ]
        if any(count < 0 for count in known):
            return False
        if self.prompt_tokens is None or self.cached_tokens is None:
            return True
        return self.cached_tokens <= self.prompt_tokens


@dataclass(slots=True)
class Transcript:
    """What one stream has said so far."""

    pieces: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    """Why the answer ended; None until it did."""
    counts: Counts = field(default_factory=Counts)

    @property
    def text(self) -> str:
        """Everything written."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request, from its first byte sent to its end; milliseconds."""

    outcome: Outcome
    started_ms: float
    """When it was sent, by the bench's clock."""
    e2e_ms: float
    """Until the last byte, or until it failed or was left."""
    ttft_ms: float | None = None
    """Until the first text; None where none came."""
    reason: str = ""
    """Finish reason of a completion; otherwise the kind of refusal or failure, without details."""
    detail: str = ""
    """What the server or the network said, shortened."""
    has_retry_after: bool = False
    """Whether a refusal said when to come back."""
    counts: Counts = field(default_factory=Counts)
    num_pieces: int = 0
    """Events that brought text."""
    text: str = ""

    @property
    def num_new_tokens(self) -> int | None:
        """New tokens as counted by the server, else pieces of text; None where there were none."""
        return self.counts.new_tokens or self.num_pieces or None

    @property
    def first_ms(self) -> float:
        """Milliseconds until the first text; until the end of an answer without any."""
        return self.e2e_ms if self.ttft_ms is None else self.ttft_ms

    @property
    def ms_per_token(self) -> float | None:
        """Milliseconds per step after the first text; None where there was no such step.

        An answer that ended by itself took one step more than it has tokens: the one that chose
        the end, which fimserve does not count as a token.
        """
        if not self.num_new_tokens:
            return None
        num_steps = self.num_new_tokens - 1 + (self.reason == "stop")
        return (self.e2e_ms - self.first_ms) / num_steps if num_steps else None
