"""What the next step computes: tokens of the running completions, and pieces of prompts.

A step has a budget of tokens. Completions being written come first, a token each and their guesses;
what is left is filled with pieces of prompts, long ones cut, short ones together, so that steps
take about the same time and nobody's next token waits for somebody's long prompt (Dynamic
SplitFuse, DeepSpeed-FastGen, arXiv 2401.08671, section 3). Where memory runs out, the last in rank
lose their blocks and are computed again later. Knows nothing of tensors, text and clients.
Longer than most files because one step's budget is shared out in one place.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass

from fimserve.engine.admission import Admission, Load
from fimserve.engine.errors import BrokenEngine, InvalidRequest
from fimserve.engine.kv_manager import KvManager
from fimserve.engine.policy import Policy
from fimserve.engine.ranked_queue import RankedQueue
from fimserve.engine.sequence import Sequence
from fimserve.engine.step_plan import StepPlan, WorkItem

__all__ = ["Scheduler", "SchedulerSettings", "StepPlan", "WorkItem"]

SHORT_SHARE = 8
"""A prompt with at most this part of a step left to compute is short: a typed key, not a file."""
SHORTS_SHARE = 2
"""Short prompts may go before others in at most this part of a step."""
GUESSES_SHARE = 4
"""Guesses may take at most this part of a step while prompts wait for it."""

PROMOTED, USUAL = 0.0, 1.0
"""First number of a rank."""


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """Holds the size of steps and queues."""

    max_step_tokens: int = 256
    """Tokens computed in one step."""
    max_sequences: int = 64
    """Sequences that hold blocks at the same time; never more than a step has tokens."""
    max_waiting: int = 256
    """Sequences that may wait."""
    max_scores: int = 256
    """Tokens of a step behind which scores are wanted, before guesses end; each sequence gets its
    own score all the same."""


class Scheduler:
    """Plans steps.

    Args:
        settings: Sizes.
        kv: Who holds which blocks.
        policy: Who goes first.
    """

    def __init__(self, settings: SchedulerSettings, kv: KvManager, policy: Policy) -> None:
        self._settings = settings
        self._kv = kv
        self._policy = policy
        # One token of each running sequence fits into a step, with one left for a prompt.
        self._max_running = min(settings.max_sequences, settings.max_step_tokens)
        self._admission = Admission(settings.max_waiting, settings.max_step_tokens)
        self._waiting = RankedQueue()
        self._running = RankedQueue()
        self._aging: dict[Sequence, float] = {}
        self._now_ms = 0.0
        self.num_preemptions = 0
        """How often a sequence lost its blocks to others."""

    @property
    def num_running(self) -> int:
        """Sequences that hold blocks."""
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        """Sequences whose turn has not come."""
        return len(self._waiting)

    @property
    def decoding(self) -> list[Sequence]:
        """Sequences that will write in the next step, first one first."""
        return [sequence for sequence in self._running if sequence.is_decoding]

    # --- sequences come, move on and go -----------------------------------------------------------

    @property
    def next_step_ms(self) -> float:
        """Milliseconds that the next step will take, as things are; 0 before there was one."""
        prompts = (s for s in (*self._running, *self._waiting) if not s.is_decoding)
        num_tokens = min(self._settings.max_step_tokens, sum(s.num_left for s in prompts))
        return self._admission.expect_step_ms(num_tokens)

    def expect_rest_ms(self, sequence: Sequence) -> float:
        """Return how long the rest of a sequence's prompt would take, with nothing else to do.

        Args:
            sequence: One whose prompt is not computed.

        Returns:
            The time; 0 while nothing has been measured.
        """
        return self._admission.expect_step_ms(sequence.num_left)

    def add(self, sequence: Sequence, now_ms: float, is_admitted: bool = False) -> None:
        """Take a sequence in.

        Fails with QueueFull where it could not be answered in time.

        Args:
            sequence: A new one.
            now_ms: The present.
            is_admitted: Whether it belongs to a request that was let in before.

        Raises:
            InvalidRequest: If it needs more blocks than there are.
        """
        self._now_ms = now_ms
        if self._kv.count_blocks(sequence.num_most_tokens) > self._kv.num_blocks:
            raise InvalidRequest(
                f"prompt and max_tokens are {sequence.num_most_tokens} tokens; "
                f"the key-value memory holds {self._kv.num_blocks * self._kv.block_tokens}"
            )
        sequence.rank = (USUAL, *self._policy.rank(sequence), sequence.seq_id)
        self._expect(sequence)
        if not is_admitted:
            deadline_ms = sequence.deadline_ms
            deadline_in_ms = None if deadline_ms is None else deadline_ms - now_ms
            self._admission.check(self._load(sequence), sequence.num_left, deadline_in_ms)
        self._waiting.add(sequence)
        aged_at_ms = self._policy.aged_at_ms(sequence)
        if aged_at_ms is not None:
            self._aging[sequence] = aged_at_ms

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, whatever its state; what it computed stays in the cache."""
        if self._running.discard(sequence):
            self._admission.observe_stay(self._now_ms - sequence.began_ms)
            self._give_back(sequence)
        else:
            self._waiting.discard(sequence)
        self._aging.pop(sequence, None)

    def advance(self, item: WorkItem, written: list[int]) -> None:
        """Move a sequence on by what a step computed of it; nothing happens where it was removed.

        Args:
            item: What was computed.
            written: Tokens that its scores gave: none inside a prompt, else the guesses that were
                right and one more, or fewer where the completion ended.
        """
        sequence = item.sequence
        if sequence.lease is not item.lease:
            return
        num_right = 0
        for draft, token_id in zip(item.drafts, written, strict=False):
            if draft != token_id:
                break
            num_right += 1
        sequence.num_computed = item.start + len(item.token_ids) - len(item.drafts) + num_right
        sequence.token_ids += written
        if item.ends_prompt:
            sequence.drafts = []
        if item.is_prefill:
            self._kv.publish(item.lease, sequence.token_ids[: sequence.num_computed])

    def observe_step(self, items: Items[WorkItem], elapsed_ms: float) -> None:
        """Learn how fast steps are.

        Args:
            items: Work of a step.
            elapsed_ms: Its time.
        """
        num_tokens = sum(len(item.token_ids) for item in items)
        if num_tokens:
            has_prompts = any(item.is_prefill for item in items)
            self._admission.observe_step(num_tokens, has_prompts, elapsed_ms)

    # --- the next step ----------------------------------------------------------------------------

    def plan(self, now_ms: float) -> StepPlan:
        """Return the work of the next step; sequences get their blocks for it.

        Args:
            now_ms: The present.

        Returns:
            At most `max_step_tokens` of work, and some where there is a sequence and memory for it.
        """
        self._now_ms = now_ms
        plan = StepPlan()
        self._promote(now_ms)
        self._make_way(plan)
        self._plan_decodes(plan)
        self._plan_prompts(plan)
        return plan

    def plan_behind(self, items: Items[WorkItem], now_ms: float) -> list[WorkItem] | None:
        """Return the step behind one that is being computed, whose tokens are not known yet.

        Args:
            items: That step: one token will be written behind each.
            now_ms: The present.

        Returns:
            One token for each sequence, in the same order, its id 0; None where another step would
            be planned: somebody waits, a prompt is unfinished, or there are no blocks for it.
        """
        self._now_ms = now_ms
        if self._waiting or len(items) != len(self._running):
            return None
        behind: list[WorkItem] = []
        for item in items:
            start = item.start + len(item.token_ids)
            if item.sequence.lease is not item.lease or item.num_logits != 1 or item.drafts:
                return None
            if not self._kv.reserve(item.lease, start + 1):
                return None
            behind.append(
                item._replace(start=start, token_ids=[0], is_prefill=False, ends_prompt=True)
            )
        return behind

    def _promote(self, now_ms: float) -> None:
        """Let the one that has waited longest go first, once it has waited long enough."""
        oldest = next(iter(self._aging), None)
        if oldest is None or oldest.rank[0] == PROMOTED or self._aging[oldest] > now_ms:
            return
        queue = self._waiting if oldest.lease is None else self._running
        queue.discard(oldest)
        oldest.rank = (PROMOTED, *oldest.rank[1:])
        queue.add(oldest)

    def _make_way(self, plan: StepPlan) -> None:
        """Take the places of running sequences for the first one that waits, where it may."""
        if not self._waiting or self._fits(first := self._waiting.first):
            return
        for other in reversed(list(self._running)):
            if other.rank < first.rank:
                return
            if self._policy.may_displace(first, other):
                self._preempt(other, plan)
                if self._fits(first):
                    return

    def _plan_decodes(self, plan: StepPlan) -> None:
        """Plan a token of each running completion, and guesses while the budget lasts."""
        decoding = self.decoding
        most = min(self._settings.max_step_tokens, self._settings.max_scores)
        num_spare = max(0, most - len(decoding))
        if self._waiting or len(decoding) < len(self._running):
            num_spare = min(num_spare // 2, self._settings.max_step_tokens // GUESSES_SHARE)
        for sequence in decoding:
            if sequence.lease is None:  # lost its blocks to one before it in this very step
                continue
            drafts = sequence.drafts[:num_spare]
            num_tokens = sequence.num_computed + 1
            if not self._kv.reserve(sequence.lease, num_tokens + len(drafts)):
                drafts = []  # nobody loses blocks to a guess
                if not self._find_room(sequence, num_tokens, plan):
                    continue
            num_spare -= len(drafts)
            tokens = sequence.token_ids[sequence.num_computed :] + drafts
            plan.items.append(_make_item(sequence, tokens, drafts, is_prefill=False))

    def _plan_prompts(self, plan: StepPlan) -> None:
        """Fill the step with pieces of prompts: short ones first, then all in the order of rank."""
        max_tokens = self._settings.max_step_tokens
        budget = max_tokens - plan.num_tokens
        prompts = [s for s in self._running if not s.is_decoding]
        if self._waiting and self._fits(self._waiting.first):
            # Only so many can begin; short ones are looked for a little further down.
            prompts += self._waiting.head(2 * self._max_running)
            prompts.sort(key=lambda sequence: sequence.rank)
        shorts = [s for s in prompts if s.num_left <= max(1, max_tokens // SHORT_SHARE)]
        budget -= self._plan_pieces(shorts, min(budget, max_tokens // SHORTS_SHARE), plan)
        planned = {item.sequence for item in plan.items}
        self._plan_pieces([s for s in prompts if s not in planned], budget, plan)

    def _plan_pieces(self, prompts: Items[Sequence], budget: int, plan: StepPlan) -> int:
        """Plan pieces of prompts, in this order; return the number of their tokens."""
        num_planned = 0
        may_begin = True
        for sequence in prompts:
            if num_planned >= budget:
                break
            if sequence.lease is None:
                may_begin = may_begin and self._begin(sequence)
                if not may_begin:
                    continue
            start = sequence.num_computed
            tokens = sequence.token_ids[start : start + budget - num_planned]
            num_planned += len(tokens)
            drafts = self._fit_guess(sequence, start + len(tokens), budget - num_planned, plan)
            num_planned += len(drafts)
            plan.items.append(_make_item(sequence, tokens + drafts, drafts, is_prefill=True))
        return num_planned

    def _fit_guess(self, sequence: Sequence, end: int, budget: int, plan: StepPlan) -> list[int]:
        """Return what is guessed behind a piece of a prompt, where it is the last piece.

        It has to find free blocks: nobody loses theirs to a guess.
        """
        assert sequence.lease is not None
        if end < len(sequence.token_ids) or not sequence.drafts:
            return []
        num_spare = min(budget, self._settings.max_scores - plan.num_scores - 1)
        drafts = sequence.drafts[: max(0, num_spare)]
        return drafts if self._kv.reserve(sequence.lease, end + len(drafts)) else []

    # --- places and blocks ------------------------------------------------------------------------

    def _begin(self, sequence: Sequence) -> bool:
        """Give a sequence that waits the blocks of all its tokens; return whether it has them.

        One that overtakes others leaves room for the first of them, which else might never begin.
        """
        first = self._waiting.first
        if not self._fits(sequence, None if first is sequence else first):
            return False
        lease = self._kv.lease(sequence.key, sequence.token_ids)
        if not self._kv.reserve(lease, len(sequence.token_ids)):
            raise BrokenEngine("a sequence needs more blocks than were counted")
        self._waiting.discard(sequence)
        self._running.add(sequence)
        sequence.lease = lease
        sequence.began_ms = self._now_ms
        sequence.num_computed = lease.num_cached
        if not sequence.num_preemptions:
            sequence.num_cached = lease.num_cached
        return True

    def _fits(self, sequence: Sequence, other: Sequence | None = None) -> bool:
        """Return whether a sequence can begin now, with a place left for another one."""
        both = [sequence] if other is None else [sequence, other]
        if len(self._running) + len(both) > self._max_running:
            return False
        num_free = self._kv.num_free_blocks
        if sum(self._kv.count_blocks(len(s.token_ids)) for s in both) <= num_free:
            return True  # even if they share nothing with those that run
        return sum(self._kv.count_needed_blocks(s.key, s.token_ids) for s in both) <= num_free

    def _find_room(self, sequence: Sequence, num_tokens: int, plan: StepPlan) -> bool:
        """Get a running sequence its blocks, if need be from those behind it in rank.

        Those before it have been planned, those behind it have not. Where nobody is behind it, it
        loses its own blocks.
        """
        assert sequence.lease is not None
        while not self._kv.reserve(sequence.lease, num_tokens):
            last = self._running.last
            self._preempt(last, plan)
            if last is sequence:
                return False
        return True

    def _preempt(self, sequence: Sequence, plan: StepPlan) -> None:
        self._running.discard(sequence)
        self._give_back(sequence)
        self._expect(sequence)
        self._waiting.add(sequence)
        sequence.num_preemptions += 1
        self.num_preemptions += 1
        plan.preempted.append(sequence)

    def _give_back(self, sequence: Sequence) -> None:
        assert sequence.lease is not None
        self._kv.release(sequence.lease, sequence.token_ids[: sequence.num_computed])
        sequence.lease, sequence.num_computed, sequence.drafts = None, 0, []

    # --- what a new one finds before it -----------------------------------------------------------

    def _expect(self, sequence: Sequence) -> None:
        num_cached = self._kv.peek(sequence.key, sequence.token_ids)
        sequence.num_uncached = len(sequence.token_ids) - num_cached

    def _load(self, sequence: Sequence) -> Load:
        """Return what a new sequence finds before it."""
        ahead = list(self._waiting.before(sequence.rank))
        unfinished = [s for s in self._running if not s.is_decoding]
        max_short = max(1, self._settings.max_step_tokens // SHORT_SHARE)
        is_short = sequence.num_left <= max_short
        num_waiting = len(ahead)
        return Load(
            num_waiting=sum(not self._policy.may_displace(sequence, s) for s in self._waiting),
            num_ahead=num_waiting,
            num_tokens_ahead=sum(
                s.num_left for s in (*ahead, *unfinished) if not is_short or s.num_left <= max_short
            ),
            num_running=len(self._running),
            num_places=self._max_running,
            num_decoding=len(self._running) - len(unfinished),
        )

    def check_integrity(self) -> None:
        """Check that each sequence is in one queue, and has blocks exactly where it runs.

        Raises:
            BrokenEngine: If one is not.
        """
        problems: list[str] = []
        for queue, is_running in ((self._waiting, False), (self._running, True)):
            ranks = [sequence.rank for sequence in queue]
            if ranks != sorted(set(ranks)):
                problems.append("a queue is out of order")
            if any((sequence.lease is not None) != is_running for sequence in queue):
                problems.append("a sequence waits with blocks, or runs without")
        if self._kv.num_leases != len(self._running):
            problems.append(f"{len(self._running)} run and {self._kv.num_leases} have blocks")
        known = {*self._waiting, *self._running}
        if not known.issuperset(self._aging):
            problems.append("a sequence ages that is not there")
        if {s for s in known if s.rank[0] == PROMOTED} - set(list(self._aging)[:1]):
            problems.append("a sequence goes first and is not the oldest")
        if problems:
            raise BrokenEngine("; ".join(problems))


def _make_item(
    sequence: Sequence, tokens: list[int], drafts: list[int], is_prefill: bool
) -> WorkItem:
    assert sequence.lease is not None
    start = sequence.num_computed
    ends_prompt = start + len(tokens) - len(drafts) == len(sequence.token_ids)
    return WorkItem(
        sequence=sequence,
        lease=sequence.lease,
        start=start,
        token_ids=tokens,
        drafts=drafts,
        num_logits=1 + len(drafts) if ends_prompt and sequence.max_tokens else 0,
        is_prefill=is_prefill,
        ends_prompt=ends_prompt,
    )
