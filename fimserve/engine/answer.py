"""The answer to one request: its completions, who waits for them, and what they took.

Knows nothing of scheduling and of how tokens are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fimserve.engine.completion import CompletionDelta, FinishReason, Usage
from fimserve.engine.generation import Generation
from fimserve.engine.planner import PromptPlan
from fimserve.engine.sequence import Sequence
from fimserve.engine.session_book import Session
from fimserve.engine.ticket import Ticket


@dataclass(slots=True)
class Answer:
    """Holds one answer in progress."""

    ticket: Ticket
    """Who waits."""
    plan: PromptPlan
    """What was decided before the model ran."""
    session: Session
    """What is known of the request's session."""
    sequences: list[Sequence]
    """One for each completion: its tokens and its place in the schedule."""
    generations: dict[int, Generation]
    """The completions, by the number of their sequence."""
    num_begun: int = 1
    """Sequences that are in the schedule; the others begin once the first has brought the prompt
    into the cache."""
    started_ms: float | None = None
    first_token_ms: float | None = None
    num_cached: int = 0
    num_drafted: int = 0
    num_accepted: int = 0
    _num_told: int = field(default=0)

    @property
    def has_nothing(self) -> bool:
        """Whether text is wanted and there is none, not of any completion."""
        is_written = any(one.finish or one.num_new for one in self.generations.values())
        return self.ticket.request.max_tokens > 0 and not is_written

    @property
    def is_finished(self) -> bool:
        """Whether every completion has been told to its end."""
        return self._num_told == len(self.generations)

    def is_overdue(self, now_ms: float, step_ms: float) -> bool:
        """Return whether the answer ends now, since one more step would make it late.

        What has no text yet waits for its deadline. At most a quarter of the time is given up for
        a step that is expected to be slow: a step that was slow once is measured again.

        Args:
            now_ms: The present.
            step_ms: How long the next step is expected to take.

        Returns:
            Whether it does.
        """
        request, due_ms = self.ticket.request, self.ticket.deadline_ms
        if due_ms is not None:
            early_ms = 0.0
            if self.first_token_ms is not None:
                early_ms = min(step_ms, (due_ms - self.ticket.arrived_ms) / 4)
            if now_ms + early_ms >= due_ms:
                return True
        if request.max_writing_ms is None or self.first_token_ms is None:
            return False
        if now_ms < self.first_token_ms + request.max_writing_ms:
            return False
        # Half a line would be shown as it is: the first one is written to its end.
        return all(one.finish or one.text.has_whole_line for one in self.generations.values())

    def begin(self, now_ms: float, num_cached: int) -> None:
        """Note the first step that works on the request; later calls do nothing.

        Args:
            now_ms: When it was planned.
            num_cached: Tokens of the prompt that were in the cache.
        """
        if self.started_ms is None:
            self.started_ms, self.num_cached = now_ms, num_cached

    def tell(self, generation: Generation, now_ms: float) -> None:
        """Deliver what is new of one completion, its end included.

        Args:
            generation: One of this answer's.
            now_ms: The present.
        """
        is_streamed = self.ticket.request.streamed
        if generation.finish is None and not (is_streamed and generation.has_news()):
            return
        delta = replace(generation.take_delta(), prompt_tokens=len(self.plan.token_ids))
        if delta.finish_reason is not None:
            self._num_told += 1
            if self.is_finished:
                delta = replace(delta, usage=self.make_usage(now_ms))
        self.ticket.deliver(delta)

    def end(self, reason: FinishReason, now_ms: float) -> None:
        """End every completion that goes on, and tell.

        Args:
            reason: Why; a deadline cuts back to whole lines what is trimmed or wanted whole.
            now_ms: The present.
        """
        request = self.ticket.request
        at_line_end = reason == "length" and (request.trim or not request.streamed)
        for generation in self.generations.values():
            if generation.finish is None:
                generation.end(reason, at_line_end)
                self.tell(generation, now_ms)

    def make_usage(self, now_ms: float) -> Usage:
        """Return counts and times up to now."""
        arrived_ms = self.ticket.arrived_ms
        started_ms = now_ms if self.started_ms is None else self.started_ms
        first_ms = now_ms if self.first_token_ms is None else self.first_token_ms
        return Usage(
            prompt_tokens=len(self.plan.token_ids),
            cached_tokens=self.num_cached,
            completion_tokens=sum(g.num_new for g in self.generations.values()),
            queue_ms=started_ms - arrived_ms,
            ttft_ms=first_ms - arrived_ms,
            e2e_ms=now_ms - arrived_ms,
            drafted_tokens=self.num_drafted,
            accepted_tokens=self.num_accepted,
        )


def make_empty_end(ticket: Ticket, reason: FinishReason, now_ms: float) -> CompletionDelta:
    """Return the answer to a request on which no work was begun."""
    waited_ms = now_ms - ticket.arrived_ms
    usage = Usage(0, 0, 0, queue_ms=waited_ms, ttft_ms=waited_ms, e2e_ms=waited_ms)
    return CompletionDelta("", (), reason, usage)
