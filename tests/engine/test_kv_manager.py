"""Every block has one owner, and what a lease finds is what its sequence would compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fimserve.engine.errors import BrokenEngine
from fimserve.engine.kv_manager import BlockCopy, CacheKey, KvManager, Lease
from fimserve.engine.prefix_node import count_common
from support.fake_kv_store import FakeKvStore, entries_of

SIZE = 4
LOCAL = CacheKey("local")
SESSION = CacheKey("local", session="main.py")


class Memory:
    """A manager and the memory it counts, with the steps of one sequence in one call.

    Args:
        num_blocks: Number of blocks.
        tenant_share: As the manager has it.
    """

    def __init__(self, num_blocks: int, tenant_share: float = 1.0) -> None:
        self.kv = KvManager(num_blocks, SIZE, b"secret", tenant_share)
        self.store = FakeKvStore(num_blocks, SIZE)

    def begin(self, key: CacheKey, token_ids: Sequence[int]) -> Lease:
        """Return a lease with all its tokens computed, after a check of those that were cached."""
        lease = self.kv.lease(key, token_ids)
        assert self.kv.reserve(lease, len(token_ids))
        self.store.copy(self.kv.take_copies())
        rest = token_ids[lease.num_cached :]
        self.store.compute(key, lease.blocks, lease.num_cached, rest)
        assert self.store.read(lease.blocks, len(token_ids)) == entries_of(key, token_ids)
        self.kv.check_integrity()
        return lease

    def end(self, lease: Lease, token_ids: Sequence[int]) -> None:
        self.kv.release(lease, token_ids)
        self.kv.check_integrity()

    def run(self, key: CacheKey, token_ids: Sequence[int]) -> int:
        """Compute a sequence and give it back; return how many of its tokens were cached."""
        lease = self.begin(key, token_ids)
        self.end(lease, token_ids)
        return lease.num_cached


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize("num_known", range(1, 14))
@pytest.mark.parametrize("key", [LOCAL, SESSION])
def test_one_typed_token_computes_one_token(num_known: int, key: CacheKey) -> None:
    memory = Memory(8)
    prompt = list(range(num_known))
    memory.run(key, prompt)
    assert memory.run(key, [*prompt, 100]) == num_known
    assert memory.run(key, [*prompt, 100, 101]) == num_known + 1


@pytest.mark.parametrize("key", [LOCAL, SESSION])
def test_what_was_written_wrongly_is_left_behind(key: CacheKey) -> None:
    """The completion of the last prompt was not accepted; another key was typed."""
    memory = Memory(16)
    prompt = list(range(10))
    memory.run(key, [*prompt, *range(50, 70)])
    assert memory.run(key, [*prompt, 100]) == 10


def test_the_last_token_is_always_computed() -> None:
    memory = Memory(8)
    for num_tokens in (1, SIZE, SIZE + 1, 2 * SIZE):
        prompt = [num_tokens * 100 + i for i in range(num_tokens)]
        assert memory.run(LOCAL, prompt) == 0
        assert memory.run(LOCAL, prompt) == num_tokens - 1


def test_looking_changes_nothing() -> None:
    memory = Memory(8)
    memory.run(LOCAL, range(10))
    assert memory.kv.peek(LOCAL, range(10)) == 9
    assert memory.kv.peek(LOCAL, [*range(6), 77, 78]) == 6
    assert memory.kv.peek(CacheKey("stranger"), range(10)) == 0
    memory.kv.check_integrity()
    assert memory.kv.take_copies() == []


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=13), min_size=1, max_size=12))
def test_with_room_enough_the_longest_known_beginning_is_found(prompts: list[list[int]]) -> None:
    memory = Memory(64)
    for place, prompt in enumerate(prompts):
        known = max((count_common(tuple(p), tuple(prompt)) for p in prompts[:place]), default=0)
        expected = min(known, len(prompt) - 1)
        assert memory.kv.peek(LOCAL, prompt) == expected
        assert memory.run(LOCAL, prompt) == expected


def test_a_running_sequence_is_found_up_to_its_last_full_block() -> None:
    memory = Memory(8)
    prompt = list(range(10))
    lease = memory.begin(LOCAL, prompt)
    assert memory.kv.peek(LOCAL, prompt) == 0
    memory.kv.publish(lease, prompt)
    assert memory.kv.peek(LOCAL, prompt) == 2 * SIZE
    other = memory.begin(LOCAL, [*prompt, 100])
    assert other.blocks[:2] == lease.blocks[:2]
    memory.end(lease, prompt)
    memory.end(other, [*prompt, 100])


def test_two_that_compute_the_same_keep_it_once() -> None:
    memory = Memory(8)
    prompt = list(range(9))
    first, second = memory.begin(LOCAL, prompt), memory.begin(LOCAL, prompt)
    assert not set(first.blocks) & set(second.blocks)
    memory.kv.publish(first, prompt)
    memory.kv.publish(second, prompt)
    assert first.blocks[:2] == second.blocks[:2]
    memory.end(first, prompt)
    memory.end(second, prompt)
    memory.kv.clear()
    assert memory.kv.num_free_blocks == 8


@pytest.mark.parametrize(
    "other",
    [CacheKey("stranger"), CacheKey("local", "adapter"), CacheKey("stranger", "adapter")],
)
def test_tenants_and_adapters_share_nothing(other: CacheKey) -> None:
    memory = Memory(16)
    memory.run(LOCAL, range(10))
    assert memory.run(other, range(10)) == 0
    assert memory.run(other, range(10)) == 9
    assert memory.run(LOCAL, range(10)) == 9


def test_sessions_of_a_tenant_share_what_they_have_in_common() -> None:
    memory = Memory(16)
    memory.run(SESSION, range(10))
    assert memory.run(replace(SESSION, session="other.py"), [*range(10), 100]) == 10


# --- copied or taken over ------------------------------------------------------------------------


def test_ones_own_block_is_taken_over_without_a_copy() -> None:
    memory = Memory(8)
    lease = memory.begin(SESSION, range(10))
    blocks = list(lease.blocks)
    memory.end(lease, range(10))
    lease = memory.begin(SESSION, [*range(9), 100, 101])
    assert lease.num_cached == 9
    assert lease.blocks == blocks
    assert memory.store.num_copied_tokens == 0


@pytest.mark.parametrize("session", [None, "other.py"])
def test_somebody_elses_block_is_copied(session: str | None) -> None:
    memory = Memory(8)
    memory.run(SESSION, range(10))
    lease = memory.kv.lease(replace(SESSION, session=session), [*range(9), 100])
    (copy,) = memory.kv.take_copies()
    assert copy == BlockCopy(copy.source, lease.blocks[-1], 1)
    assert copy.source not in lease.blocks
    memory.end(lease, range(9))
    assert memory.run(SESSION, [*range(10), 11]) == 10


def test_a_block_in_use_is_copied() -> None:
    memory = Memory(8)
    first = memory.begin(SESSION, range(10))
    memory.kv.publish(first, range(10))
    second = memory.begin(SESSION, [*range(6), 100])
    assert second.num_cached == 6
    assert memory.store.num_copied_tokens == 2
    memory.end(second, [*range(6), 100])
    memory.end(first, range(10))


def test_an_edit_does_not_take_what_other_sessions_have_behind_it() -> None:
    """Both begin with the same file; one of them is edited near its top."""
    memory = Memory(16)
    other = replace(SESSION, session="other.py")
    memory.run(other, [*range(6), *range(20, 30)])
    memory.run(SESSION, [*range(6), *range(30, 40)])
    assert memory.run(SESSION, [0, 1, 2, 99, 98]) == 3
    assert memory.kv.peek(other, [*range(6), *range(20, 31)]) == 16


def test_another_prompt_of_the_session_does_not_take_the_first_ones_place() -> None:
    """Prompts of two orders, or at two cursors, begin with the same marker and go on apart."""
    memory = Memory(16)
    first, second = [0, *range(10, 20)], [0, *range(20, 30)]
    memory.run(SESSION, first)
    assert memory.run(SESSION, second) == 1
    assert memory.run(SESSION, first) == 10


def test_what_is_copied_is_not_evicted_for_its_own_copy() -> None:
    memory = Memory(3)
    memory.run(SESSION, range(6))
    memory.run(CacheKey("stranger"), range(4))
    assert memory.run(LOCAL, [*range(5), 100]) == 5
    assert memory.kv.peek(SESSION, range(7)) == 6  # the stranger's went, which was used later


def test_with_no_room_for_a_copy_the_last_idle_block_is_taken_over() -> None:
    memory = Memory(2)
    memory.run(SESSION, range(6))
    lease = memory.begin(LOCAL, [*range(5), 100, 101])
    assert lease.num_cached == 5
    assert memory.store.num_copied_tokens == 0


def test_with_no_block_at_all_only_full_blocks_are_found() -> None:
    memory = Memory(2)
    first = memory.begin(LOCAL, range(8))
    memory.kv.publish(first, range(8))
    second = memory.kv.lease(LOCAL, [*range(6), 100])
    assert second.num_cached == SIZE
    assert not memory.kv.reserve(second, 7)
    memory.end(second, range(4))


def test_the_shorter_of_two_is_not_kept_beside_the_longer() -> None:
    memory = Memory(8)
    memory.run(LOCAL, range(3))
    memory.run(LOCAL, range(6))
    memory.run(LOCAL, range(5))
    memory.kv.check_integrity()
    assert memory.kv.peek(LOCAL, range(7)) == 6
    lease = memory.kv.lease(LOCAL, [99])
    assert memory.kv.reserve(lease, 6 * SIZE)
    assert memory.kv.peek(LOCAL, range(7)) == 6  # six of eight blocks were nobody's


# --- room ----------------------------------------------------------------------------------------


def test_what_was_used_last_stays_longest() -> None:
    memory = Memory(6)
    for first in (10, 20, 30):
        memory.run(LOCAL, range(first, first + 8))
    memory.run(LOCAL, range(10, 18))
    memory.run(LOCAL, range(40, 48))
    assert memory.kv.peek(LOCAL, range(10, 19)) == 8
    assert memory.kv.peek(LOCAL, range(20, 29)) == 0
    assert memory.kv.peek(LOCAL, range(30, 39)) == 8


def test_ends_of_sequences_go_before_their_beginnings() -> None:
    memory = Memory(4)
    memory.run(LOCAL, range(16))
    memory.run(LOCAL, [100])
    assert memory.kv.peek(LOCAL, range(17)) == 12


def test_without_room_nothing_changes() -> None:
    memory = Memory(4)
    memory.run(LOCAL, range(100, 108))
    lease = memory.begin(LOCAL, range(8))
    blocks = list(lease.blocks)
    assert not memory.kv.reserve(lease, 17)
    assert lease.blocks == blocks
    assert memory.kv.peek(LOCAL, range(100, 109)) == 8
    assert memory.kv.reserve(lease, 16)
    assert memory.kv.num_free_blocks == 0


def test_a_tenant_above_its_share_pays_first() -> None:
    memory = Memory(8, tenant_share=0.5)
    small, greedy, other = CacheKey("small"), CacheKey("greedy"), CacheKey("other")
    memory.run(small, range(8))
    for adapter in (None, "x", "y"):  # one share for all adapters of a tenant
        memory.run(replace(greedy, adapter=adapter), range(8))
    memory.run(other, range(8))
    assert memory.kv.peek(small, range(9)) == 8
    assert memory.kv.peek(greedy, range(9)) == 0
    memory.run(other, range(8, 16))  # nobody is above its share any more: the oldest goes
    assert memory.kv.peek(small, range(9)) == 0
    assert memory.kv.peek(replace(greedy, adapter="y"), range(9)) == 8


def test_alone_a_tenant_may_fill_the_memory() -> None:
    memory = Memory(8, tenant_share=0.25)
    for first in range(4):
        memory.run(LOCAL, range(100 * first, 100 * first + 8))
    assert [memory.kv.peek(LOCAL, range(100 * f, 100 * f + 9)) for f in range(4)] == [8] * 4


def test_blocks_needed_are_counted_before_they_are_taken() -> None:
    memory = Memory(8)
    running = memory.begin(LOCAL, range(8))
    memory.kv.publish(running, range(8))
    memory.run(LOCAL, range(100, 110))
    for prompt in (range(10), range(110), [*range(100, 108), 0, 1], [7], list(range(100, 120))):
        needed = memory.kv.count_needed_blocks(LOCAL, prompt)
        num_free = memory.kv.num_free_blocks
        lease = memory.kv.lease(LOCAL, prompt)
        assert memory.kv.reserve(lease, len(prompt)) == (needed <= num_free)
        if needed <= num_free:
            assert num_free - memory.kv.num_free_blocks == needed
        memory.end(lease, prompt[: lease.num_cached])


# --- forgetting ----------------------------------------------------------------------------------


def test_an_adapter_can_be_forgotten() -> None:
    memory = Memory(16)
    adapted = CacheKey("local", "adapter")
    for key in (LOCAL, adapted, CacheKey("stranger", "adapter")):
        memory.run(key, range(10))
    memory.kv.drop_adapter("adapter")
    memory.kv.check_integrity()
    assert memory.kv.peek(adapted, range(10)) == 0
    assert memory.kv.peek(LOCAL, range(10)) == 9


def test_an_adapter_in_use_cannot_be_forgotten() -> None:
    memory = Memory(16)
    adapted = CacheKey("local", "adapter")
    memory.run(adapted, range(10))
    lease = memory.begin(adapted, range(10))
    with pytest.raises(BrokenEngine, match="in use"):
        memory.kv.drop_adapter("adapter")
    memory.end(lease, range(10))
    assert memory.kv.peek(adapted, range(10)) == 9


def test_all_that_is_idle_can_be_forgotten() -> None:
    memory = Memory(16)
    memory.run(LOCAL, range(10))
    lease = memory.begin(CacheKey("stranger"), range(6))
    memory.kv.clear()
    memory.kv.check_integrity()
    assert memory.kv.peek(LOCAL, range(10)) == 0
    memory.end(lease, range(6))
    assert memory.kv.peek(CacheKey("stranger"), range(7)) == 6


def test_tenants_without_blocks_leave_nothing_behind() -> None:
    memory = Memory(2)
    for tenant in range(50):
        memory.run(CacheKey(str(tenant)), range(8))
    memory.kv.clear()
    memory.kv.check_integrity()  # finds roots that are open and empty


def test_a_lease_cannot_be_used_twice() -> None:
    memory = Memory(4)
    lease = memory.begin(LOCAL, range(6))
    memory.end(lease, range(6))
    for use in (
        lambda: memory.kv.release(lease, range(6)),
        lambda: memory.kv.publish(lease, range(6)),
        lambda: memory.kv.reserve(lease, 6),
    ):
        with pytest.raises(BrokenEngine, match="given back"):
            use()
    memory.kv.check_integrity()


def test_more_computed_tokens_than_blocks_are_a_defect() -> None:
    memory = Memory(4)
    lease = memory.begin(LOCAL, range(6))
    with pytest.raises(BrokenEngine, match="9 tokens are in 2 blocks"):
        memory.kv.publish(lease, range(9))


# --- all of it, in any order ---------------------------------------------------------------------


@dataclass(eq=False)
class Running:
    """A sequence that is worked on."""

    lease: Lease
    token_ids: list[int]
    num_computed: int


KEYS = st.builds(
    CacheKey,
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, None, "x"]),
    st.sampled_from([None, "s", "t"]),
)
PROMPTS = st.lists(st.integers(0, 1), min_size=1, max_size=18)


class KvTwin(RuleBasedStateMachine):
    """Any order of leases, steps, cancellations and evictions, beside a memory that tells all."""

    @initialize(num_blocks=st.integers(5, 14), share=st.sampled_from([0.2, 0.5, 1.0]))
    def make(self, num_blocks: int, share: float) -> None:
        self.memory = Memory(num_blocks, share)
        self.kv, self.store = self.memory.kv, self.memory.store
        self.running: list[Running] = []

    @rule(key=KEYS, prompt=PROMPTS)
    def begin(self, key: CacheKey, prompt: list[int]) -> None:
        num_known, num_free = self.kv.peek(key, prompt), self.kv.num_free_blocks
        needed = self.kv.count_needed_blocks(key, prompt)
        lease = self.kv.lease(key, prompt)
        if needed <= num_free:
            assert lease.num_cached == num_known < len(prompt)
            assert self.kv.reserve(lease, len(prompt))
            assert num_free - self.kv.num_free_blocks == needed
        self.running.append(Running(lease, prompt, lease.num_cached))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), num_tokens=st.integers(1, 6))
    def write(self, data: st.DataObject, num_tokens: int) -> None:
        """Tokens are written behind the prompt, to be computed in later steps."""
        one = data.draw(st.sampled_from(self.running))
        one.token_ids = one.token_ids + [2] * num_tokens

    @precondition(lambda self: self.running)
    @rule(data=st.data(), num_tokens=st.integers(1, 12))
    def step(self, data: st.DataObject, num_tokens: int) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.running), unique=True))
        planned: list[tuple[Running, list[int]]] = []
        for one in chosen:
            tokens = one.token_ids[one.num_computed : one.num_computed + num_tokens]
            if tokens and self.kv.reserve(one.lease, one.num_computed + len(tokens)):
                planned.append((one, tokens))
        self.store.copy(self.kv.take_copies())
        for one, tokens in planned:
            self.store.compute(one.lease.key, one.lease.blocks, one.num_computed, tokens)
            one.num_computed += len(tokens)
        for one in self.running:
            computed = one.token_ids[: one.num_computed]
            entries = self.store.read(one.lease.blocks, one.num_computed)
            assert entries == entries_of(one.lease.key, computed)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.running))
        self.kv.publish(one.lease, one.token_ids[: one.num_computed])

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """A sequence ends, is cancelled or loses its blocks, at any time."""
        one = data.draw(st.sampled_from(self.running))
        self.running.remove(one)
        self.kv.release(one.lease, one.token_ids[: one.num_computed])

    @rule()
    def clear(self) -> None:
        self.kv.clear()

    @precondition(lambda self: all(one.lease.key.adapter is None for one in self.running))
    @rule()
    def drop_adapter(self) -> None:
        self.kv.drop_adapter("x")
        assert all(self.kv.peek(CacheKey(t, "x"), [0, 0]) == 0 for t in "ab")

    @invariant()
    def adds_up(self) -> None:
        self.kv.check_integrity()

    def teardown(self) -> None:
        if not hasattr(self, "kv"):
            return
        for one in self.running:
            self.kv.release(one.lease, one.token_ids[: one.num_computed])
        self.kv.check_integrity()
        assert self.kv.num_free_blocks == self.kv.num_blocks
        self.kv.clear()
        lease = self.kv.lease(CacheKey("c"), [0])
        assert self.kv.reserve(lease, self.kv.num_blocks * SIZE)


TestKvTwin = KvTwin.TestCase
TestKvTwin.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
