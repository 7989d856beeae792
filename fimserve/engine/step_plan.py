"""What one step computes, as plain values: the scheduler makes them, the runner reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fimserve.engine.kv_lease import Lease
from fimserve.engine.sequence import Sequence


class WorkItem(NamedTuple):
    """Holds what a step computes of one sequence."""

    sequence: Sequence
    """The sequence."""
    lease: Lease
    """Its blocks."""
    start: int
    """Place of the first token."""
    token_ids: list[int]
    """Tokens to compute; behind those of the sequence come its guesses."""
    drafts: list[int]
    """The guesses among them."""
    num_logits: int
    """Last tokens whose scores are wanted: 0 inside a prompt."""
    is_prefill: bool
    """Whether it is a piece of a prompt, or of what has to be computed again."""
    ends_prompt: bool
    """Whether all tokens of the sequence are computed when this is."""


@dataclass(slots=True)
class StepPlan:
    """Holds what a step computes, and who lost their blocks for it."""

    items: list[WorkItem] = field(default_factory=list)
    """Work, running completions first; one item at most for each sequence."""
    preempted: list[Sequence] = field(default_factory=list)
    """Sequences that wait again, or begin again in this very step where there was room left."""

    @property
    def num_tokens(self) -> int:
        """Tokens to compute."""
        return sum(len(item.token_ids) for item in self.items)

    @property
    def num_scores(self) -> int:
        """Tokens among them behind which scores are wanted."""
        return sum(item.num_logits for item in self.items)
