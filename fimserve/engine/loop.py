"""The engine's loop: takes requests in, runs one step after the other, tells what came out.

Belongs to one thread and knows no other: `bridge.py` brings requests to it and answers away. Each
method leaves every count in order, whatever a single request does.

Longer than most files because a thread's turn is best read in one place, from a request that comes
in to the answer that leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass

import torch
from torch import Tensor

from fimserve.engine.adapters import Adapters, LoadedAdapter
from fimserve.engine.answer import Answer, make_empty_end
from fimserve.engine.completion import FinishReason
from fimserve.engine.errors import BrokenEngine, EngineError, NothingInTime, QueueFull
from fimserve.engine.generation import Generation
from fimserve.engine.generation_factory import GenerationFactory
from fimserve.engine.graph_runner import GraphRunner
from fimserve.engine.kv_manager import CacheKey, KvManager
from fimserve.engine.launched import Launched
from fimserve.engine.planner import Planner, PromptPlan
from fimserve.engine.request import CompletionRequest
from fimserve.engine.runner import Runner
from fimserve.engine.scheduler import Scheduler, WorkItem
from fimserve.engine.sequence import Sequence
from fimserve.engine.session_book import SessionBook
from fimserve.engine.speculation import StepCost
from fimserve.engine.ticket import Ticket

logger = logging.getLogger(__name__)

HISTORY_LEAD_TOKENS = 4
"""Last tokens of the prompt that are remembered before a completion, to find its start again."""


@dataclass(frozen=True, slots=True)
class LoopParts:
    """Holds what the loop is made of."""

    planner: Planner
    """Requests to prompts."""
    factory: GenerationFactory
    """Prompts to completions in progress."""
    kv: KvManager
    """Who holds which keys and values."""
    scheduler: Scheduler
    """What the next step computes."""
    runner: Runner | GraphRunner
    """Computes it."""
    adapters: Adapters
    """LoRA adapters by name."""
    sessions: SessionBook
    """What is remembered of sessions."""
    max_drafts: int
    """Most tokens guessed ahead at once."""
    now_ms: Callable[[], float]
    """The engine's clock."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """Holds a step launched before the one in front of it was read."""

    items: list[WorkItem]
    """What it computes; token ids are not known to the host."""
    launched: Launched
    """The step on its way."""
    expected: list[int]
    """Tokens that the device chose for the items; empty until the step in front is read."""


class EngineLoop:
    """Works on all requests, one step at a time.

    Args:
        parts: What it is made of.
    """

    def __init__(self, parts: LoopParts) -> None:
        self.parts = parts
        self._answers: dict[Ticket, Answer] = {}
        self._by_sequence: dict[int, Answer] = {}
        self._used_adapters: dict[Ticket, LoadedAdapter | None] = {}
        self._num_sequences = 0
        self._ahead: Ahead | None = None
        self._step_cost = StepCost()

    @property
    def is_idle(self) -> bool:
        """Whether no request is unfinished."""
        return not self._answers

    @property
    def num_unfinished(self) -> int:
        """Number of requests waiting or worked on."""
        return len(self._answers)

    @property
    def tickets(self) -> list[Ticket]:
        """Requests waiting or worked on."""
        return list(self._answers)

    # --- requests come and go ---------------------------------------------------------------------

    def submit(self, ticket: Ticket) -> None:
        """Take a request in; an older one of its session ends. A refusal is delivered, not raised.

        Args:
            ticket: The request.
        """
        for older in [other for other in self._answers if ticket.supersedes(other)]:
            self.end(older, "cancelled")
        try:
            self._admit(ticket)
        except Exception as error:
            _log_refusal(error)
            self._forget(ticket)
            ticket.deliver(error)

    def decline(self, ticket: Ticket, reason: FinishReason) -> None:
        """Answer a request that was never submitted with nothing.

        Args:
            ticket: The request.
            reason: Why.
        """
        ticket.deliver(make_empty_end(ticket, reason, self.parts.now_ms()))

    def end(self, ticket: Ticket, reason: FinishReason) -> None:
        """End a request and tell; does nothing where it has ended.

        Args:
            ticket: The request.
            reason: Why.
        """
        answer = self._answers.get(ticket)
        if answer is None:
            return
        self._remember(answer)
        self._forget(ticket)
        try:
            answer.end(reason, self.parts.now_ms())
        except Exception as error:
            logger.error("request failed", exc_info=error)
            ticket.deliver(error)

    def fail(self, ticket: Ticket, error: Exception) -> None:
        """End a request by an exception; does nothing where it has ended."""
        if ticket in self._answers:
            logger.error("request failed", exc_info=error)
            self._forget(ticket)
            ticket.deliver(error)

    def end_all(self, reason: FinishReason) -> None:
        """End every request and tell."""
        for ticket in list(self._answers):
            self.end(ticket, reason)

    # --- steps ------------------------------------------------------------------------------------

    def step(self) -> None:
        """Compute once: prompts in pieces, one or more tokens of each running completion."""
        self._end_overdue()
        started_ms = self.parts.now_ms()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and self._is_right(ahead):
            items = [self._with_token(item) for item in ahead.items]
            self._run(items, ahead.launched)
            self._observe(items, self.parts.now_ms() - started_ms)
            return
        self._guess_ahead()
        plan = self.parts.scheduler.plan(started_ms)
        self.parts.runner.copy_blocks(self.parts.kv.take_copies())
        for item in plan.items:
            self._answer_of(item).begin(started_ms, item.sequence.num_cached)
        # Rows with one adapter lie together: its factors are then read once for all of them.
        items = sorted(plan.items, key=self._slot_of)
        self._run(items)
        self._observe(items, self.parts.now_ms() - started_ms)

    def _run(self, items: Items[WorkItem], launched: Launched | None = None) -> None:
        if not items:
            return
        try:
            if launched is None:
                slots = [self._slot_of(item) for item in items]
                launched = self.parts.runner.launch(items, slots)
            ahead = self._launch_ahead(items, launched)
            scores, best = launched.read()
        except torch.AcceleratorError:
            raise  # the device is lost for this process, whoever is at fault
        except Exception as error:
            if len(items) == 1:
                self.fail(self._answer_of(items[0]).ticket, error)
                return
            # One of them is at fault; the others need not suffer for it.
            for item in items:
                if item.sequence.seq_id in self._by_sequence:
                    self._run([item])
            return
        if ahead is not None:
            self._ahead = Ahead(ahead.items, ahead.launched, best)
        row = 0
        for item in items:
            end = row + item.num_logits
            self._take_in(item, scores[row:end], best[row:end])
            row = end

    def _take_in(self, item: WorkItem, scores: Tensor, best: list[int]) -> None:
        """Choose tokens from an item's scores and move its sequence on."""
        answer = self._by_sequence.get(item.sequence.seq_id)
        # Another completion of the same request failed in this very step, or it ended in the one
        # before, when this one was on its way.
        if answer is None or item.sequence.lease is not item.lease:
            return
        generation = answer.generations[item.sequence.seq_id]
        ends_prompt = item.ends_prompt  # read before the sequence grows
        try:
            written = self._write(answer, generation, item, scores, best)
            self.parts.scheduler.advance(item, written)
            if ends_prompt and not item.num_logits:
                generation.end("length")  # the prompt was all that was wanted
            answer.tell(generation, self.parts.now_ms())
        except Exception as error:
            self.fail(answer.ticket, error)
            return
        if item.is_prefill and ends_prompt:
            self._begin_others(answer)
        if answer.is_finished:
            self._finish(answer)
        elif generation.finish is not None:
            self._drop_sequence(item.sequence)

    def _write(
        self,
        answer: Answer,
        generation: Generation,
        item: WorkItem,
        scores: Tensor,
        best: list[int],
    ) -> list[int]:
        """Return the tokens that an item adds to its completion: at most one more than guesses."""
        written: list[int] = []
        drafts = item.drafts
        for place in range(len(best)):
            token_id = generation.choose(scores[place], best[place])
            if answer.first_token_ms is None:
                answer.first_token_ms = self.parts.now_ms()
            if generation.accept(token_id, scores[place]):
                written.append(token_id)
            is_right = place < len(drafts) and token_id == drafts[place]
            if generation.finish is not None or not is_right:
                break
        if drafts and not item.is_prefill:  # those behind a prompt are no guesses of new text
            num_accepted = sum(1 for w, d in zip(written, drafts, strict=False) if w == d)
            answer.session.gate.observe(len(drafts), num_accepted)
            answer.num_drafted += len(drafts)
            answer.num_accepted += num_accepted
        return written

    # --- the step behind this one -----------------------------------------------------------------

    def _launch_ahead(self, items: Items[WorkItem], launched: Launched) -> Ahead | None:
        """Launch the step behind one that nobody has read, where it is known but for its tokens."""
        if not self.parts.runner.launches_ahead:
            return None
        if not all(self._goes_on_plainly(item) for item in items):
            return None
        behind = self.parts.scheduler.plan_behind(items, self.parts.now_ms())
        if behind is None:
            return None
        self.parts.runner.copy_blocks(self.parts.kv.take_copies())
        slots = [self._slot_of(item) for item in behind]
        next_launched = self.parts.runner.launch_behind(launched, behind, slots)
        if next_launched is None:
            return None
        for item in behind:
            self._answer_of(item).session.gate.let_pass(self._step_cost.draft_share)
        return Ahead(behind, next_launched, [])

    def _goes_on_plainly(self, item: WorkItem) -> bool:
        """Return whether a sequence writes its best score now and has no guess to go on with."""
        answer = self._by_sequence.get(item.sequence.seq_id)
        if answer is None or item.drafts:
            return False
        generation = answer.generations[item.sequence.seq_id]
        if not generation.takes_best or generation.num_left < 2:
            return False
        return not self._has_guess(answer, generation, item.sequence)

    def _has_guess(self, answer: Answer, generation: Generation, sequence: Sequence) -> bool:
        """Return whether something can be guessed before the step on its way is read.

        If so the next step waits for it, to check guesses behind its token. A guess that this very
        token would call up is found one step later.
        """
        # One token is on its way, and the last one that may follow needs no guess.
        num_drafts = min(self.parts.max_drafts, generation.num_left - 2)
        if generation.drafts is None or num_drafts <= 0:
            return False
        if not answer.session.gate.would_allow(self._step_cost.draft_share):
            return False
        return bool(generation.drafts.propose(sequence.token_ids, num_drafts))

    def _is_right(self, ahead: Ahead) -> bool:
        """Return whether a step launched ahead computes what would be planned, or more.

        Rows of sequences that have ended meanwhile are computed for nothing. Where a sequence wrote
        another token than the device chose, the step is planned anew: what it stored lies behind
        the computed tokens and is written again. Whoever came meanwhile waits for this one step.
        """
        alive = 0
        for item, token_id in zip(ahead.items, ahead.expected, strict=True):
            sequence = item.sequence
            if sequence.lease is not item.lease:
                continue
            if sequence.num_computed != item.start or sequence.token_ids[item.start :] != [
                token_id
            ]:
                return False
            alive += 1
        return alive > 0 and alive == self.parts.scheduler.num_running

    def _with_token(self, item: WorkItem) -> WorkItem:
        """Return an item of a step launched ahead with the token it computes, now known."""
        if item.sequence.lease is not item.lease:
            return item
        return item._replace(token_ids=item.sequence.token_ids[item.start :])

    # --- speculation ------------------------------------------------------------------------------

    def _guess_ahead(self) -> None:
        """Give the sequences that decode next their guesses."""
        for sequence in self.parts.scheduler.decoding:
            sequence.drafts = self._guess(sequence)

    def _guess(self, sequence: Sequence) -> list[int]:
        answer = self._by_sequence[sequence.seq_id]
        generation = answer.generations[sequence.seq_id]
        num_drafts = min(self.parts.max_drafts, generation.num_left - 1)
        if generation.drafts is None or num_drafts <= 0 or generation.is_healing:
            return []
        if not answer.session.gate.allows(self._step_cost.draft_share):
            return []
        return generation.drafts.propose(sequence.token_ids, num_drafts)

    def _guess_cut(self, request: CompletionRequest, plan: PromptPlan) -> list[int]:
        """Return the tokens cut off the prompt's end, which most completions spell as they were.

        They are checked in the prompt's own step, which then writes the first new token too.
        """
        if not request.speculate or not request.max_tokens:
            return []
        num_drafts = min(self.parts.max_drafts, plan.room_tokens - 1)
        return list(plan.cut_token_ids[: max(0, num_drafts)])

    def _observe(self, items: Items[WorkItem], elapsed_ms: float) -> None:
        """Let the scheduler and the gates learn what a step takes."""
        num_tokens = sum(len(item.token_ids) for item in items)
        if num_tokens:
            self.parts.scheduler.observe_step(items, elapsed_ms)
        if len(items) == 1 and not items[0].is_prefill:
            self._step_cost.observe(len(items[0].drafts), elapsed_ms)

    # --- inside -----------------------------------------------------------------------------------

    def _admit(self, ticket: Ticket) -> None:
        parts, request = self.parts, ticket.request
        if ticket.deadline_ms is not None and parts.now_ms() >= ticket.deadline_ms:
            raise QueueFull("the deadline passed before the request was looked at", 1.0)
        adapter = parts.adapters.acquire(request.adapter)
        self._used_adapters[ticket] = adapter
        session = parts.sessions.open(ticket.session_key)
        key = CacheKey(
            request.tenant, None if adapter is None else adapter.cache_name, request.session
        )
        plan = parts.planner.plan(request, session, lambda ids: parts.kv.peek(key, ids))
        parts.sessions.recount(ticket.session_key)
        generations: dict[int, Generation] = {}
        sequences: list[Sequence] = []
        for index in range(request.n):
            self._num_sequences += 1
            sequences.append(
                Sequence(
                    seq_id=self._num_sequences,
                    key=key,
                    token_ids=list(plan.token_ids),
                    num_prompt_tokens=len(plan.token_ids),
                    max_tokens=min(request.max_tokens, plan.room_tokens),
                    priority=request.priority,
                    arrived_ms=ticket.arrived_ms,
                    ignores_end=request.ignore_eos,
                    deadline_ms=ticket.deadline_ms,
                    drafts=self._guess_cut(request, plan),
                )
            )
            generations[self._num_sequences] = parts.factory.make(request, plan, session, index)
        answer = Answer(ticket, plan, session, sequences, generations)
        parts.scheduler.add(sequences[0], parts.now_ms())
        self._answers[ticket] = answer
        for sequence in sequences:
            self._by_sequence[sequence.seq_id] = answer

    def _begin_others(self, answer: Answer) -> None:
        """Let the further completions of a request begin: they find the prompt in the cache."""
        for sequence in answer.sequences[answer.num_begun :]:
            self.parts.scheduler.add(sequence, self.parts.now_ms(), is_admitted=True)
        answer.num_begun = len(answer.sequences)

    def _end_overdue(self) -> None:
        now_ms, step_ms = self.parts.now_ms(), self.parts.scheduler.next_step_ms
        for ticket, answer in list(self._answers.items()):
            if not answer.is_overdue(now_ms, step_ms):
                continue
            if answer.has_nothing:
                self._miss(ticket, answer)
            else:
                self.end(ticket, "length")

    def _miss(self, ticket: Ticket, answer: Answer) -> None:
        """End a request for which nothing was written in time: an empty text would be no answer."""
        rest_ms = self.parts.scheduler.expect_rest_ms(answer.sequences[0])
        self._forget(ticket)
        error = NothingInTime("nothing was written by the deadline", max(rest_ms, 1.0))
        _log_refusal(error)
        ticket.deliver(error)

    def _finish(self, answer: Answer) -> None:
        self._remember(answer)
        self._forget(answer.ticket)
        _log_usage(answer, self.parts.now_ms())

    def _remember(self, answer: Answer) -> None:
        """Keep what was written: the rest of a suggestion is likely to be asked for again."""
        for sequence in answer.sequences:
            first = max(0, sequence.num_prompt_tokens - HISTORY_LEAD_TOKENS)
            if len(sequence.token_ids) > sequence.num_prompt_tokens:
                answer.session.remember(sequence.token_ids[first:])
        self.parts.sessions.recount(answer.ticket.session_key)

    def _forget(self, ticket: Ticket) -> None:
        """Give back everything that a request holds; does nothing where it holds nothing."""
        answer = self._answers.pop(ticket, None)
        if answer is not None:
            for sequence in answer.sequences:
                del self._by_sequence[sequence.seq_id]
            for sequence in answer.sequences[: answer.num_begun]:
                self.parts.scheduler.remove(sequence)
        self.parts.adapters.release(self._used_adapters.pop(ticket, None))

    def _drop_sequence(self, sequence: Sequence) -> None:
        """Give back what one completion of several holds, once it has ended before the others."""
        self.parts.scheduler.remove(sequence)

    def _answer_of(self, item: WorkItem) -> Answer:
        return self._by_sequence[item.sequence.seq_id]

    def _slot_of(self, item: WorkItem) -> int:
        adapter = self._used_adapters[self._answer_of(item).ticket]
        return 0 if adapter is None else adapter.slot

    def check_integrity(self) -> None:
        """Check, while nothing is worked on, that no block and no adapter is still held.

        Raises:
            BrokenEngine: If one is.
        """
        kv, scheduler = self.parts.kv, self.parts.scheduler
        scheduler.check_integrity()
        kv.check_integrity()
        held = kv.num_blocks - kv.num_free_blocks
        left = [len(self._by_sequence), len(self._used_adapters), scheduler.num_running, held]
        if self.is_idle and any(left):
            raise BrokenEngine(
                f"idle, and sequences, adapters in use, running ones and held blocks are {left}"
            )


def _log_refusal(error: Exception) -> None:
    if isinstance(error, EngineError):
        logger.info("request refused: %s", error)
    else:
        logger.error("request failed", exc_info=error)


def _log_usage(answer: Answer, now_ms: float) -> None:
    usage = answer.make_usage(now_ms)
    logger.info(
        "prompt_tokens=%d cached_tokens=%d new_tokens=%d drafted=%d accepted=%d queue_ms=%.1f "
        "ttft_ms=%.1f e2e_ms=%.1f",
        usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.drafted_tokens,
        usage.accepted_tokens, usage.queue_ms, usage.ttft_ms, usage.e2e_ms,
    )  # fmt: skip
