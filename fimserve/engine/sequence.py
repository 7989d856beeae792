"""One sequence of tokens on its way through the schedule.

Plain state: the scheduler and the loop change it, nothing else does. Knows nothing of text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fimserve.engine.kv_lease import CacheKey, Lease
from fimserve.engine.request import Priority


@dataclass(slots=True, eq=False)
class Sequence:
    """Holds what is known of one sequence."""

    seq_id: int
    """Its number, larger than those of all before it."""
    key: CacheKey
    """Whose it is."""
    token_ids: list[int]
    """Prompt, and what was written behind it."""
    num_prompt_tokens: int
    """How many of them are the prompt's."""
    max_tokens: int
    """Most tokens that will be written; 0 only brings the prompt into the cache."""
    priority: Priority
    """Who goes first when not all can."""
    arrived_ms: float
    """When its request came."""
    deadline_ms: float | None = None
    """When its answer must be there; None where it may take its time."""
    rank: tuple[float, ...] = ()
    """Its place among others, as the policy says; smaller goes first."""
    lease: Lease | None = None
    """Its blocks; None while it waits."""
    began_ms: float = 0.0
    """When it got them."""
    num_computed: int = 0
    """Tokens whose keys and values are in its blocks."""
    num_uncached: int = 0
    """Tokens that it will have to compute, as far as the cache could tell when it began to wait."""
    num_cached: int = 0
    """Tokens that the cache had when it began."""
    drafts: list[int] = field(default_factory=list)
    """Guesses of what follows, to be checked in the next step, or in that of the prompt's end."""
    num_preemptions: int = 0
    """How often it lost its blocks to others."""
    ignores_end: bool = False
    """Whether it never takes an end token, whatever its score."""

    @property
    def is_decoding(self) -> bool:
        """Whether it has written something and the next step goes on from its last token.

        The last token of a prompt is a piece of the prompt, even where a step computes it alone.
        """
        is_begun = len(self.token_ids) > self.num_prompt_tokens
        return is_begun and self.num_computed >= len(self.token_ids) - 1

    @property
    def num_left(self) -> int:
        """Tokens to compute before it writes the next one: known where it runs, else expected."""
        if self.lease is None:
            return self.num_uncached
        return len(self.token_ids) - self.num_computed

    @property
    def num_most_tokens(self) -> int:
        """Most tokens that it will ever have."""
        return self.num_prompt_tokens + self.max_tokens
