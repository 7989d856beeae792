"""What the next step computes: tokens of the running completions, and pieces of prompts.

A step has a budget of tokens. Completions being written come first, a token each and their guesses;
what is left is filled with pieces of prompts, long ones cut, short ones together, so that steps
take about the same time and nobody's next token waits for somebody's long prompt (Dynamic
SplitFuse, DeepSpeed-FastGen, arXiv 2401.08671, section 3). Where memory runs out, the last in rank
lose their blocks and are computed again later. Knows nothing of tensors, text and clients.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from fimserve.engine.admission import Admission
from fimserve.engine.errors import InvalidRequest
from fimserve.engine.kv_manager import KvManager, Lease
from fimserve.engine.policy import Policy
from fimserve.engine.sequence import Sequence


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """Holds the size of steps and queues."""

    max_step_tokens: int = 256
    """Tokens computed in one step, about: every running completion gets one whatever it says."""
    max_sequences: int = 64
    """Sequences that hold blocks at the same time."""
    max_waiting: int = 256
    """Sequences that may wait."""


@dataclass(frozen=True, slots=True)
class WorkItem:
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

    @property
    def ends_prompt(self) -> bool:
        """Whether the prompt is computed when this is."""
        return self.start + len(self.token_ids) >= len(self.sequence.token_ids)


@dataclass(slots=True)
class StepPlan:
    """Holds what a step computes, and who lost their blocks for it."""

    items: list[WorkItem] = field(default_factory=list)
    """Work, running completions first."""
    preempted: list[Sequence] = field(default_factory=list)
    """Sequences that wait again."""


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
        self._admission = Admission(settings.max_waiting)
        self._waiting: list[Sequence] = []
        self._running: list[Sequence] = []
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
        """Sequences that will write in the next step."""
        return [sequence for sequence in self._running if sequence.is_prompt_done]

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
        size = self._kv.block_tokens
        if -(-sequence.num_most_tokens // size) > self._kv.num_blocks:
            raise InvalidRequest(
                f"prompt and max_tokens are {sequence.num_most_tokens} tokens; "
                f"the key-value memory holds {self._kv.num_blocks * size}"
            )
        if not is_admitted:
            deadline_ms = sequence.deadline_ms
            self._admission.check(
                len(self._waiting),
                self._count_tokens_ahead(sequence, now_ms),
                len(sequence.token_ids) - self._kv.peek(sequence.key, sequence.token_ids),
                None if deadline_ms is None else deadline_ms - now_ms,
            )
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, whatever its state; what it computed stays in the cache."""
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        elif sequence in self._running:
            self._running.remove(sequence)
        self._give_back(sequence)

    def plan(self, now_ms: float) -> StepPlan:
        """Return the work of the next step; sequences get their blocks for it.

        Args:
            now_ms: The present.

        Returns:
            At least one item where any sequence is there.
        """
        plan = StepPlan()
        budget = self._settings.max_step_tokens
        ranked = sorted(self._running, key=lambda s: self._policy.rank(s, now_ms))
        budget -= self._plan_decodes([s for s in ranked if s.is_prompt_done], budget, plan)
        for sequence in ranked:
            if budget <= 0 and plan.items:
                break
            if sequence.lease is not None and not sequence.is_prompt_done:
                budget -= self._plan_piece(sequence, max(budget, 1), plan)
        self._begin_waiting(budget, now_ms, plan)
        return plan

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
        num_right = sum(1 for w, d in zip(written, item.drafts, strict=False) if w == d)
        sequence.num_computed = item.start + len(item.token_ids) - len(item.drafts) + num_right
        sequence.token_ids += written
        sequence.drafts = []
        if item.is_prefill:
            self._kv.publish(item.lease, sequence.token_ids[: sequence.num_computed])

    def observe_step(self, items: Items[WorkItem], elapsed_ms: float) -> None:
        """Learn how fast prompts are computed.

        Args:
            items: Work of a step.
            elapsed_ms: Its time.
        """
        if any(item.is_prefill for item in items):
            self._admission.observe(sum(len(item.token_ids) for item in items), elapsed_ms)

    # --- inside -----------------------------------------------------------------------------------

    def _plan_decodes(self, decoding: list[Sequence], budget: int, plan: StepPlan) -> int:
        """Plan a token of each, and guesses while the budget lasts; return the tokens planned."""
        num_spare = budget - len(decoding)
        num_planned = 0
        for sequence in decoding:
            if sequence.lease is None:  # lost its blocks to one before it in this very step
                continue
            drafts = sequence.drafts[: max(num_spare, 0)]
            tokens = sequence.token_ids[sequence.num_computed :] + drafts
            if not self._find_room(sequence, sequence.num_computed + len(tokens), plan):
                continue
            num_spare -= len(drafts)
            num_planned += len(tokens)
            plan.items.append(self._make_item(sequence, tokens, drafts, is_prefill=False))
        return num_planned

    def _plan_piece(self, sequence: Sequence, budget: int, plan: StepPlan) -> int:
        """Plan the next piece of a prompt; return its tokens, 0 where there is no room for it."""
        start = sequence.num_computed
        tokens = sequence.token_ids[start : start + budget]
        if not self._find_room(sequence, start + len(tokens), plan):
            return 0
        plan.items.append(self._make_item(sequence, tokens, [], is_prefill=True))
        return len(tokens)

    def _begin_waiting(self, budget: int, now_ms: float, plan: StepPlan) -> None:
        self._waiting.sort(key=lambda s: self._policy.rank(s, now_ms))
        while self._waiting and (budget > 0 or not plan.items):
            if len(self._running) >= self._settings.max_sequences or plan.preempted:
                return
            sequence = self._waiting[0]
            self._lease(sequence)
            num_planned = self._plan_piece(sequence, max(budget, 1), plan)
            if not num_planned:
                self._give_back(sequence)
                return
            budget -= num_planned
            del self._waiting[0]
            self._running.append(sequence)

    def _make_item(
        self, sequence: Sequence, tokens: list[int], drafts: list[int], is_prefill: bool
    ) -> WorkItem:
        assert sequence.lease is not None
        start = sequence.num_computed
        is_end = start + len(tokens) - len(drafts) == len(sequence.token_ids)
        num_logits = 1 + len(drafts) if is_end and sequence.max_tokens else 0
        return WorkItem(sequence, sequence.lease, start, tokens, drafts, num_logits, is_prefill)

    def _find_room(self, sequence: Sequence, num_tokens: int, plan: StepPlan) -> bool:
        """Get a sequence its blocks, if need be from those behind it in rank.

        A sequence that is not running yet takes nothing from those that are.
        """
        assert sequence.lease is not None
        planned = {item.sequence.seq_id for item in plan.items}
        while not self._kv.reserve(sequence.lease, num_tokens):
            others = [s for s in self._running if s.seq_id not in planned and s is not sequence]
            if sequence not in self._running or not others:
                if sequence in self._running and planned:
                    self._preempt(sequence, plan)
                return False
            self._preempt(max(others, key=lambda s: (s.arrived_ms, s.seq_id)), plan)
        return True

    def _preempt(self, sequence: Sequence, plan: StepPlan) -> None:
        self._running.remove(sequence)
        self._give_back(sequence)
        sequence.num_preemptions += 1
        self.num_preemptions += 1
        self._waiting.append(sequence)
        plan.preempted.append(sequence)

    def _lease(self, sequence: Sequence) -> None:
        lease = self._kv.lease(sequence.key, sequence.token_ids)
        sequence.lease = lease
        sequence.num_computed = lease.num_cached
        if not sequence.num_preemptions:
            sequence.num_cached = lease.num_cached

    def _give_back(self, sequence: Sequence) -> None:
        if sequence.lease is not None:
            computed = sequence.token_ids[: sequence.num_computed]
            self._kv.release(sequence.lease, computed)
            sequence.lease, sequence.num_computed, sequence.drafts = None, 0, []

    def _count_tokens_ahead(self, sequence: Sequence, now_ms: float) -> int:
        """Return the tokens of prompts that are computed before a new sequence's."""
        own_rank = self._policy.rank(sequence, now_ms)
        ahead = [s for s in self._waiting if self._policy.rank(s, now_ms) <= own_rank]
        unfinished = [s for s in self._running if not s.is_prompt_done]
        return sum(len(s.token_ids) - s.num_computed for s in (*ahead, *unfinished))
