"""Writing the answer to one request: prefill, decode, stop.

Asks the ticket before each step whether to go on. Knows nothing of prompts, sessions or threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fimserve.engine.completion import CompletionDelta, FinishReason, Usage
from fimserve.engine.healing import Healer
from fimserve.engine.sampler import Sampler
from fimserve.engine.sequence import Sequence
from fimserve.engine.text_stream import TextStream
from fimserve.engine.ticket import Ticket


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """Holds everything that is decided about an answer before the model runs."""

    prompt_ids: tuple[int, ...]
    """The prompt, at least one token."""
    chunk_tokens: int
    """Tokens of the prompt computed in one step."""
    max_tokens: int
    """Most tokens of new text to write."""
    num_candidates: int
    """Ids from this one on are never chosen."""
    stop_token_ids: frozenset[int]
    """Tokens that end the answer and are no part of it."""
    sampler: Sampler
    """Chooses the tokens."""
    text: TextStream
    """Turns them into text."""
    healer: Healer | None = None
    """Chooses which tokens may come first; None = any."""
    room_tokens: int | None = None
    """Most tokens that the context holds behind the prompt; None = more than are written."""


class Answer:
    """Writes one answer.

    Args:
        ticket: Who waits for it, and whether still.
        plan: What was decided.
        sequence: Tokens and cache to start from; afterwards those of prompt and answer.
        now_ms: A clock in milliseconds.
    """

    def __init__(
        self, ticket: Ticket, plan: AnswerPlan, sequence: Sequence, now_ms: Callable[[], float]
    ) -> None:
        self._ticket = ticket
        self._plan = plan
        self._sequence = sequence
        self._now_ms = now_ms
        self._num_cached = 0
        self._num_written = 0
        self._num_new = 0
        self._unsent_ids: list[int] = []
        self._first_token_ms: float | None = None

    def write(self, started_ms: float) -> Iterator[CompletionDelta]:
        """Yield the answer piece by piece; the last piece has the finish_reason.

        Args:
            started_ms: When work on the request began.

        Yields:
            CompletionDelta: Text as it becomes certain.
        """
        scores = self._prefill()
        while (finish := self._why_end()) is None:
            token_id = self._choose(scores)
            if token_id in self._plan.stop_token_ids:
                finish = "stop"
                break
            text = self._append(token_id)
            if self._plan.text.stopped:
                yield self._make_last(text, "stop", started_ms)
                return
            if text:
                yield self._make_delta(text)
            if not self._is_full():
                scores = self._sequence.extend([token_id])
        rest = "" if finish == "cancelled" else self._plan.text.flush()
        yield self._make_last(rest, "stop" if self._plan.text.stopped else finish, started_ms)

    def _prefill(self) -> Tensor:
        """Bring the prompt into the cache and return the scores of the token that follows it.

        They are empty where the work had to end before; `_why_end` says so from then on.
        """
        prompt_ids = self._plan.prompt_ids
        self._num_cached = self._sequence.keep_common_prefix(prompt_ids)
        self._sequence.reserve(len(prompt_ids))
        scores = torch.empty(0)
        for start in range(self._num_cached, len(prompt_ids), self._plan.chunk_tokens):
            if self._ticket.why_end(self._now_ms()) is not None:
                break
            chunk = prompt_ids[start : start + self._plan.chunk_tokens]
            scores = self._sequence.extend(chunk)
        return scores

    def _why_end(self) -> FinishReason | None:
        return "length" if self._is_full() else self._ticket.why_end(self._now_ms())

    def _is_full(self) -> bool:
        room_tokens = self._plan.room_tokens
        is_context_full = room_tokens is not None and self._num_written >= room_tokens
        return is_context_full or self._num_new >= self._plan.max_tokens

    def _choose(self, scores: Tensor) -> int:
        allowed = self._plan.healer.allowed() if self._plan.healer else None
        if allowed is None:
            token_id = self._plan.sampler.choose(scores[: self._plan.num_candidates])
        else:
            ids = torch.frombuffer(allowed, dtype=torch.int64).to(scores.device)
            token_id = allowed[self._plan.sampler.choose(scores[ids])]
        if self._first_token_ms is None:
            self._first_token_ms = self._now_ms()
        return token_id

    def _append(self, token_id: int) -> str:
        self._num_written += 1
        self._num_new += self._plan.healer.accept(token_id) if self._plan.healer else 1
        self._unsent_ids.append(token_id)
        return self._plan.text.feed(token_id)

    def _make_delta(self, text: str) -> CompletionDelta:
        token_ids, self._unsent_ids = tuple(self._unsent_ids), []
        return CompletionDelta(text, token_ids)

    def _make_last(self, text: str, finish: FinishReason, started_ms: float) -> CompletionDelta:
        arrived_ms, ended_ms = self._ticket.arrived_ms, self._now_ms()
        first_token_ms = ended_ms if self._first_token_ms is None else self._first_token_ms
        usage = Usage(
            prompt_tokens=len(self._plan.prompt_ids),
            cached_tokens=self._num_cached,
            completion_tokens=self._num_new,
            queue_ms=started_ms - arrived_ms,
            ttft_ms=first_token_ms - arrived_ms,
            e2e_ms=ended_ms - arrived_ms,
        )
        return CompletionDelta(text, tuple(self._unsent_ids), finish, usage)
