"""A scheduler whose steps are run by hand, on a model that is a hash and a memory that tells all.

The next token depends on every token before it, as they are in memory: a block mixed up, or
computed again wrongly, changes what is written.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items

from fimserve.engine.kv_manager import CacheKey, KvManager
from fimserve.engine.policy import DeadlinePolicy, Policy
from fimserve.engine.request import Priority
from fimserve.engine.scheduler import Scheduler, SchedulerSettings, StepPlan, WorkItem
from fimserve.engine.sequence import Sequence
from support.fake_kv_store import FakeKvStore, entries_of

NUM_TOKENS = 5
"""Different tokens that the model writes."""
LOCAL = CacheKey("local")


def write_alone(key: CacheKey, prompt: Items[int], max_tokens: int) -> list[int]:
    """Return what the model writes behind a prompt, without schedule and memory."""
    token_ids = list(prompt)
    for _ in range(max_tokens):
        token_ids.append(entries_of(key, token_ids)[-1] % NUM_TOKENS)
    return token_ids[len(prompt) :]


class HandScheduler:
    """Holds a scheduler, its memory, and what was written.

    Args:
        num_blocks: Blocks of memory.
        block_tokens: Tokens in a block.
        settings: Sizes.
        policy: Who goes first.
        tenant_share: As the memory has it.
        guess: Returns guesses of what a sequence writes next.
        step_ms: What a step takes.
    """

    def __init__(
        self,
        num_blocks: int = 64,
        block_tokens: int = 4,
        settings: SchedulerSettings | None = None,
        policy: Policy | None = None,
        tenant_share: float = 1.0,
        guess: Callable[[Sequence], list[int]] | None = None,
        step_ms: float = 10.0,
    ) -> None:
        self.settings = settings or SchedulerSettings(max_step_tokens=32, max_sequences=8)
        self.kv = KvManager(num_blocks, block_tokens, b"secret", tenant_share)
        self.store = FakeKvStore(num_blocks, block_tokens)
        self.scheduler = Scheduler(self.settings, self.kv, policy or DeadlinePolicy())
        self.now_ms = 0.0
        self.written: dict[int, list[int]] = {}
        """What each finished sequence wrote, by its number."""
        self._guess = guess
        self._step_ms = step_ms
        self._num_sequences = 0

    def add(
        self,
        prompt: Items[int],
        max_tokens: int = 4,
        key: CacheKey = LOCAL,
        priority: Priority = "interactive",
        deadline_ms: float | None = None,
        is_admitted: bool = False,
    ) -> Sequence:
        """Give the scheduler a sequence that arrives now; the deadline counts from now."""
        self._num_sequences += 1
        sequence = Sequence(
            seq_id=self._num_sequences,
            key=key,
            token_ids=list(prompt),
            num_prompt_tokens=len(prompt),
            max_tokens=max_tokens,
            priority=priority,
            arrived_ms=self.now_ms,
            deadline_ms=None if deadline_ms is None else self.now_ms + deadline_ms,
        )
        self.scheduler.add(sequence, self.now_ms, is_admitted)
        return sequence

    def step(self) -> StepPlan:
        """Plan a step, check the plan, and run it."""
        decoding = self.scheduler.decoding
        if self._guess is not None:
            for sequence in decoding:
                sequence.drafts = self._guess(sequence)
        plan = self.scheduler.plan(self.now_ms)
        self._check(plan, decoding)
        self.store.copy(self.kv.take_copies())
        entries = [
            self.store.compute(item.sequence.key, item.lease.blocks, item.start, item.token_ids)
            for item in plan.items
        ]
        for item, own_entries in zip(plan.items, entries, strict=True):
            self._take_in(item, own_entries)
        self.scheduler.observe_step(plan.items, self._step_ms)
        self.now_ms += self._step_ms
        return plan

    def finish(self, max_steps: int = 2000) -> int:
        """Run steps until nothing is left; return how many there were."""
        num_steps = 0
        while self.scheduler.num_running or self.scheduler.num_waiting:
            assert num_steps < max_steps, "somebody never finishes"
            self.step()
            num_steps += 1
        self.check_empty()
        return num_steps

    def is_finished(self, sequence: Sequence) -> bool:
        return sequence.seq_id in self.written

    def check_integrity(self) -> None:
        self.kv.check_integrity()
        self.scheduler.check_integrity()

    def check_empty(self) -> None:
        """Check that nothing is held any more."""
        self.check_integrity()
        assert self.scheduler.num_running == self.scheduler.num_waiting == 0
        assert self.kv.num_free_blocks == self.kv.num_blocks

    def _check(self, plan: StepPlan, decoding: list[Sequence]) -> None:
        assert plan.num_tokens <= self.settings.max_step_tokens
        planned = [item.sequence for item in plan.items]
        assert len(set(planned)) == len(planned)
        begun = {item.sequence for item in plan.items if item.is_prefill}
        assert set(planned) & set(plan.preempted) <= begun
        assert {s for s in decoding if s not in plan.preempted} <= set(planned)
        assert len(set(plan.preempted)) == len(plan.preempted)
        if self.scheduler.num_running or self.scheduler.num_waiting:
            assert plan.items, "nothing is done, and there is something to do"
        for item in plan.items:
            known = item.sequence.token_ids[item.start :][: len(item.token_ids)]
            assert item.token_ids == known + item.drafts
            assert item.token_ids
            assert item.sequence.lease is item.lease

    def _take_in(self, item: WorkItem, entries: list[int]) -> None:
        sequence = item.sequence
        written: list[int] = []
        num_left = sequence.num_most_tokens - len(sequence.token_ids)
        for place in range(item.num_logits):
            token_id = entries[len(entries) - item.num_logits + place] % NUM_TOKENS
            written.append(token_id)
            is_right = place < len(item.drafts) and item.drafts[place] == token_id
            if not is_right or len(written) == num_left:
                break
        assert bool(written) == (item.ends_prompt and sequence.max_tokens > 0)
        self.scheduler.advance(item, written)
        if item.ends_prompt and len(written) == num_left:
            self.written[sequence.seq_id] = sequence.token_ids[sequence.num_prompt_tokens :]
            self.scheduler.remove(sequence)
