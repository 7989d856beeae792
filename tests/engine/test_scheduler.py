"""Steps stay within their budget, everybody gets their turn, and nothing is computed wrongly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fimserve.engine.errors import InvalidRequest, QueueFull
from fimserve.engine.kv_manager import CacheKey
from fimserve.engine.policy import Rank
from fimserve.engine.request import Priority
from fimserve.engine.scheduler import SchedulerSettings, StepPlan
from fimserve.engine.sequence import Sequence
from support.hand_scheduler import LOCAL, NUM_TOKENS, HandScheduler, write_alone

SESSION = CacheKey("local", session="main.py")


def sizes(plan: StepPlan) -> dict[int, int]:
    """Return how many tokens a step computes of each sequence, by its number."""
    return {item.sequence.seq_id: len(item.token_ids) for item in plan.items}


def prompt_of(first: int, num_tokens: int) -> list[int]:
    """Return a prompt that shares nothing with one of another first token."""
    return [first * 1000 + i for i in range(num_tokens)]


def guess_all_right(sequence: Sequence) -> list[int]:
    num_left = sequence.num_most_tokens - len(sequence.token_ids)
    return write_alone(sequence.key, sequence.token_ids, min(6, num_left - 1))


def small(**changes: int) -> SchedulerSettings:
    return SchedulerSettings(**{"max_step_tokens": 32, "max_sequences": 8, **changes})


# --- prompts in pieces ---------------------------------------------------------------------------


def test_a_long_prompt_is_cut_into_steps_of_one_size() -> None:
    hand = HandScheduler()
    sequence = hand.add(prompt_of(1, 80))
    plans = [hand.step() for _ in range(3)]
    assert [sizes(plan) for plan in plans] == [{1: 32}, {1: 32}, {1: 16}]
    assert [plan.items[0].num_logits for plan in plans] == [0, 0, 1]
    assert [plan.items[0].ends_prompt for plan in plans] == [False, False, True]
    assert len(sequence.token_ids) == 81


def test_short_prompts_go_together() -> None:
    hand = HandScheduler()
    for first in range(1, 5):
        hand.add(prompt_of(first, 7))
    assert sizes(hand.step()) == {1: 7, 2: 7, 3: 7, 4: 7}


def test_completions_go_on_while_a_prompt_is_computed() -> None:
    hand = HandScheduler()
    writing = hand.add(prompt_of(1, 5), max_tokens=10)
    hand.step()
    hand.add(prompt_of(2, 80))
    assert sizes(hand.step()) == {1: 1, 2: 31}
    assert sizes(hand.step()) == {1: 1, 2: 31}
    assert len(writing.token_ids) == 5 + 3


def test_a_typed_key_does_not_wait_for_somebody_elses_file() -> None:
    hand = HandScheduler()
    hand.add(prompt_of(1, 10), max_tokens=0)
    hand.step()
    hand.add(prompt_of(2, 200), deadline_ms=50)
    hand.step()
    typed = hand.add([*prompt_of(1, 10), 7], deadline_ms=500)
    assert sizes(hand.step()) == {3: 1, 2: 31}
    assert len(typed.token_ids) == 12


def test_typed_keys_leave_half_of_a_step_to_files() -> None:
    hand = HandScheduler(settings=small(max_sequences=32))
    hand.add(prompt_of(1, 200))
    hand.step()
    for first in range(2, 20):
        hand.add(prompt_of(first, 4), max_tokens=0)
    assert sizes(hand.step()) == {2: 4, 3: 4, 4: 4, 5: 4, 1: 16}


def test_prompts_are_computed_in_order_of_deadline() -> None:
    hand = HandScheduler()
    for first, deadline_ms in ((1, 300), (2, 100), (3, 200)):
        hand.add(prompt_of(first, 30), deadline_ms=deadline_ms)
    assert sizes(hand.step()) == {2: 30, 3: 2}


def test_the_last_token_of_a_prompt_is_a_piece_of_it() -> None:
    """So that whoever waits for the end of the prompt sees it, and nothing is guessed before."""
    hand = HandScheduler(guess=lambda sequence: [1, 2, 3])
    hand.add(prompt_of(1, 33))
    hand.step()
    (item,) = hand.step().items
    assert (item.token_ids, item.is_prefill, item.ends_prompt) == ([1032], True, True)
    assert item.drafts == []
    (item,) = hand.step().items
    assert (item.is_prefill, item.ends_prompt, len(item.drafts)) == (False, True, 3)


def test_a_prompt_alone_gives_no_scores_and_is_found_later() -> None:
    hand = HandScheduler()
    hand.add(prompt_of(1, 40), max_tokens=0, key=SESSION)
    plans = [hand.step(), hand.step()]
    assert [(p.items[0].num_logits, p.items[0].ends_prompt) for p in plans] == [
        (0, False),
        (0, True),
    ]
    hand.check_empty()
    sequence = hand.add([*prompt_of(1, 40), 7], key=SESSION)
    assert sizes(hand.step()) == {2: 1}
    assert sequence.num_cached == 40


def test_a_prompt_is_found_while_its_completion_is_written() -> None:
    hand = HandScheduler()
    hand.add(prompt_of(1, 18), max_tokens=10)
    hand.step()
    other = hand.add(prompt_of(1, 18))
    hand.step()
    assert other.num_cached == 16
    hand.finish()


def test_a_newer_request_of_a_session_goes_on_where_the_older_was() -> None:
    hand = HandScheduler()
    older = hand.add(prompt_of(1, 20), max_tokens=30, key=SESSION)
    hand.step()
    hand.step()
    hand.scheduler.remove(older)
    newer = hand.add([*prompt_of(1, 20), 7], key=SESSION)
    assert sizes(hand.step()) == {2: 1}
    assert newer.num_cached == 20
    assert hand.store.num_copied_tokens == 0
    hand.finish()
    assert hand.written[2] == write_alone(SESSION, [*prompt_of(1, 20), 7], 4)


# --- the budget ----------------------------------------------------------------------------------


def test_more_places_than_tokens_in_a_step_are_not_taken() -> None:
    hand = HandScheduler(settings=SchedulerSettings(max_step_tokens=3, max_sequences=8))
    for first in range(1, 7):
        hand.add([first])
    hand.step()
    assert hand.scheduler.num_running == 3
    hand.finish()


def test_a_prompt_that_was_begun_gets_a_token_of_each_step() -> None:
    hand = HandScheduler(settings=SchedulerSettings(max_step_tokens=3, max_sequences=8))
    for first in (1, 2):
        hand.add([first], max_tokens=30)
    hand.step()
    begun = hand.add(prompt_of(3, 10))
    for first in range(10, 15):
        hand.add([first], max_tokens=30)
        assert sizes(hand.step())[begun.seq_id] == 1


def test_one_token_a_step_is_enough() -> None:
    hand = HandScheduler(settings=SchedulerSettings(max_step_tokens=1, max_sequences=8))
    for first in range(1, 4):
        hand.add(prompt_of(first, 5), max_tokens=3)
    assert hand.finish() == 3 * 7  # a completion's last token is never computed


def test_guesses_are_checked_in_one_step() -> None:
    hand = HandScheduler(guess=guess_all_right)
    hand.add(prompt_of(1, 5), max_tokens=15)
    assert hand.finish() == 3
    assert hand.written[1] == write_alone(LOCAL, prompt_of(1, 5), 15)


def test_wrong_guesses_are_taken_back() -> None:
    def guess(sequence: Sequence) -> list[int]:
        right = guess_all_right(sequence)
        return right[:2] + [(token_id + 1) % NUM_TOKENS for token_id in right[2:]]

    hand = HandScheduler(guess=guess)
    hand.add(prompt_of(1, 5), max_tokens=15)
    assert hand.finish() == 6
    assert hand.written[1] == write_alone(LOCAL, prompt_of(1, 5), 15)


def test_guesses_leave_most_of_a_step_to_prompts() -> None:
    hand = HandScheduler(
        settings=small(max_step_tokens=16), guess=lambda sequence: [1, 2, 3, 4, 5, 6]
    )
    for first in range(1, 5):
        hand.add(prompt_of(first, 2), max_tokens=30)
    hand.step()
    assert sum(sizes(hand.step()).values()) == 16  # nobody else is there
    hand.add(prompt_of(9, 40))
    assert sizes(hand.step())[5] == 16 - 4 - 4


def test_guesses_never_take_the_last_token_from_a_prompt() -> None:
    hand = HandScheduler(
        settings=SchedulerSettings(max_step_tokens=4, max_sequences=4), guess=lambda _: [1] * 6
    )
    for first in range(1, 4):
        hand.add([first], max_tokens=30)
    hand.step()
    waiting = hand.add(prompt_of(9, 3), max_tokens=1)
    for _ in range(3):
        hand.step()
    assert hand.is_finished(waiting)


# --- guesses behind a prompt ---------------------------------------------------------------------


def test_what_is_guessed_behind_a_prompt_is_checked_in_its_last_piece() -> None:
    hand = HandScheduler()
    sequence = hand.add(prompt_of(1, 40), max_tokens=6)
    right = write_alone(LOCAL, prompt_of(1, 40), 6)
    sequence.drafts = [*right[:2], (right[2] + 1) % NUM_TOKENS]
    assert sizes(hand.step()) == {1: 32}
    (item,) = hand.step().items
    assert item.token_ids == prompt_of(1, 40)[32:] + item.drafts
    assert (len(item.drafts), item.num_logits, item.is_prefill) == (3, 4, True)
    assert sequence.token_ids[40:] == right[:3]
    assert sequence.num_computed == 42
    assert hand.finish() == 3
    assert hand.written[1] == right


def test_a_guess_behind_a_prompt_takes_only_room_that_is_free() -> None:
    full = HandScheduler(settings=small(max_step_tokens=16))
    full.add(prompt_of(1, 16)).drafts = [1, 2, 3]
    assert not full.step().items[0].drafts
    scarce = HandScheduler(num_blocks=2)
    scarce.add(prompt_of(1, 8), max_tokens=0, key=SESSION)
    scarce.step()
    scarce.add([*prompt_of(1, 8)], max_tokens=0).drafts = [1, 2, 3]
    assert not scarce.step().items[0].drafts
    scarce.finish()


def test_no_more_is_guessed_than_there_are_scores() -> None:
    hand = HandScheduler(settings=small(max_scores=6), guess=lambda _: [1] * 6)
    for first in range(1, 4):
        hand.add(prompt_of(first, 2), max_tokens=30).drafts = [1, 1]
    assert [item.num_logits for item in hand.step().items] == [3, 3, 1]
    assert hand.step().num_scores == 6


# --- places and memory ---------------------------------------------------------------------------


def test_who_comes_later_in_rank_loses_its_blocks() -> None:
    """Not who came later: the deadline of the second is nearer."""
    hand = HandScheduler(num_blocks=6)
    late = hand.add(prompt_of(1, 8), max_tokens=16, deadline_ms=900)
    soon = hand.add(prompt_of(2, 8), max_tokens=16, deadline_ms=500)
    while not (preempted := hand.step().preempted):
        pass
    assert preempted == [late]
    assert late.num_left == 1  # all else was still in memory when it went
    assert late.num_preemptions == hand.scheduler.num_preemptions == 1
    hand.finish()
    for sequence, first in ((late, 1), (soon, 2)):
        assert hand.written[sequence.seq_id] == write_alone(LOCAL, prompt_of(first, 8), 16)


def test_the_last_in_rank_gives_its_own_blocks_up() -> None:
    hand = HandScheduler(num_blocks=5)
    soon = hand.add(prompt_of(1, 8), max_tokens=10, deadline_ms=500)
    late = hand.add(prompt_of(2, 8), max_tokens=10, deadline_ms=900)
    hand.step()
    plan = hand.step()  # both need a third block, and there is one
    assert plan.preempted == [late]
    assert sizes(plan) == {soon.seq_id: 1}
    hand.finish()
    assert soon.num_preemptions == 0
    assert hand.written[2] == write_alone(LOCAL, prompt_of(2, 8), 10)


def test_a_guess_takes_nobodys_blocks() -> None:
    hand = HandScheduler(num_blocks=4, guess=lambda sequence: [1] * 6)
    hand.add(prompt_of(1, 6), max_tokens=2)
    hand.add(prompt_of(2, 6), max_tokens=2)
    hand.step()
    plan = hand.step()
    assert not plan.preempted
    assert [len(item.drafts) for item in plan.items] == [0, 0]


def test_a_request_at_the_cursor_takes_the_place_of_background_work() -> None:
    hand = HandScheduler(settings=small(max_sequences=2))
    background = [
        hand.add(prompt_of(first, 8), max_tokens=20, priority="background") for first in (1, 2)
    ]
    hand.step()
    interactive = hand.add(prompt_of(3, 8), max_tokens=2)
    plan = hand.step()
    assert plan.preempted == [background[1]]
    assert len(interactive.token_ids) == 9
    hand.finish()
    assert hand.written[2] == write_alone(LOCAL, prompt_of(2, 8), 20)


def test_a_request_at_the_cursor_takes_the_memory_of_background_work() -> None:
    hand = HandScheduler(num_blocks=8)
    hand.add(prompt_of(1, 24), max_tokens=8, priority="background")
    hand.step()
    interactive = hand.add(prompt_of(3, 20), max_tokens=2)
    hand.step()
    assert len(interactive.token_ids) == 21
    hand.finish()


@pytest.mark.parametrize("priority", ["interactive", "background"])
def test_nobody_takes_the_place_of_their_equals(priority: Priority) -> None:
    hand = HandScheduler(settings=small(max_sequences=1))
    first = hand.add(prompt_of(1, 8), max_tokens=5, priority=priority)
    hand.step()
    hand.add(prompt_of(2, 8), priority=priority, deadline_ms=1, is_admitted=True)
    while not hand.is_finished(first):
        assert not hand.step().preempted


def test_background_work_does_not_wait_for_ever() -> None:
    hand = HandScheduler(settings=small(max_sequences=2), step_ms=100.0)
    background = [
        hand.add(prompt_of(first, 40), max_tokens=10, priority="background") for first in (1, 2)
    ]
    for first in range(3, 200):
        hand.add(prompt_of(first, 16), max_tokens=3, is_admitted=True)
        hand.step()
        if all(map(hand.is_finished, background)):
            break
    assert all(map(hand.is_finished, background))
    assert hand.scheduler.num_waiting > 2  # there was too much to do all the time


def test_background_work_gets_its_turn_one_at_a_time() -> None:
    hand = HandScheduler(settings=small(max_sequences=4), step_ms=100.0)
    background = [
        hand.add(prompt_of(first, 64), max_tokens=3, priority="background") for first in range(1, 9)
    ]
    hand.now_ms = 5000.0  # all of them have waited for long
    interactive = hand.add(prompt_of(20, 30), max_tokens=1)
    for _ in range(4):
        hand.step()
    assert hand.is_finished(interactive)
    assert sum(map(hand.is_finished, background)) <= 1
    hand.finish()


def test_who_goes_first_is_not_pushed_aside_again() -> None:
    hand = HandScheduler(settings=small(max_sequences=1))
    background = hand.add(prompt_of(1, 8), max_tokens=30, priority="background")
    hand.now_ms = 5000.0
    hand.step()
    hand.add(prompt_of(2, 8))
    while not hand.is_finished(background):
        assert not hand.step().preempted
    hand.finish()


def test_a_long_prompt_is_not_kept_out_by_short_ones() -> None:
    hand = HandScheduler(num_blocks=16, settings=small(max_sequences=16))
    running = hand.add(prompt_of(1, 20), max_tokens=8)
    hand.step()
    long = hand.add(prompt_of(2, 56), max_tokens=1, deadline_ms=100)
    for first in range(3, 40):
        hand.add(prompt_of(first, 3), max_tokens=12, deadline_ms=1000)
        hand.step()
        if hand.is_finished(running):
            break
    for _ in range(3):
        hand.step()
    assert hand.is_finished(long)
    hand.finish()


def test_a_sequence_that_fills_the_memory_is_served() -> None:
    hand = HandScheduler(num_blocks=4)
    hand.add(prompt_of(1, 3), key=CacheKey("other"))
    hand.finish()
    hand.add(prompt_of(2, 10), max_tokens=6)
    hand.add(prompt_of(3, 15), max_tokens=1)
    hand.finish()
    assert hand.written[2] == write_alone(LOCAL, prompt_of(2, 10), 6)


def test_a_sequence_larger_than_the_memory_is_refused() -> None:
    hand = HandScheduler(num_blocks=4)
    with pytest.raises(InvalidRequest, match="17 tokens; the key-value memory holds 16"):
        hand.add(prompt_of(1, 10), max_tokens=7)
    hand.check_empty()


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", range(6))
def test_a_sequence_can_leave_at_any_time(num_steps: int) -> None:
    hand = HandScheduler()
    sequence = hand.add(prompt_of(1, 80), max_tokens=8)
    for _ in range(num_steps):
        hand.step()
    hand.scheduler.remove(sequence)
    hand.scheduler.remove(sequence)
    hand.check_empty()


def test_what_left_during_a_step_does_not_move_on() -> None:
    hand = HandScheduler()
    sequence = hand.add(prompt_of(1, 8))
    plan = hand.scheduler.plan(0.0)
    hand.scheduler.remove(sequence)
    hand.scheduler.advance(plan.items[0], [1])
    assert sequence.token_ids == prompt_of(1, 8)
    hand.check_empty()


def test_ten_thousand_random_cancels_leave_no_block_behind() -> None:
    dice = random.Random(11)
    hand = HandScheduler(num_blocks=40, settings=small(max_sequences=12, max_waiting=10_000))
    there: list[Sequence] = []
    num_cancelled = 0
    while num_cancelled < 10_000:
        for _ in range(dice.randrange(24)):
            prompt = [dice.randrange(2) for _ in range(dice.randrange(1, 50))]
            key = CacheKey(
                dice.choice("ab"), dice.choice([None, None, "x"]), dice.choice([None, "s", "t"])
            )
            priority: Priority = dice.choice(["interactive", "background"])
            there.append(hand.add(prompt, dice.choice([0, 3, 30]), key, priority))
        dice.shuffle(there)
        for _ in range(dice.randrange(24)):
            if there:
                sequence = there.pop()
                num_cancelled += not hand.is_finished(sequence)
                hand.scheduler.remove(sequence)
        hand.step()
        there = [sequence for sequence in there if not hand.is_finished(sequence)]
    hand.check_integrity()
    for sequence in there:
        hand.scheduler.remove(sequence)
    hand.check_empty()
    assert len(hand.written) > 200


# --- refusals ------------------------------------------------------------------------------------


def test_one_more_than_may_wait_is_refused() -> None:
    hand = HandScheduler(settings=small(max_waiting=2))
    hand.add([1])
    hand.add([2])
    with pytest.raises(QueueFull, match="2 requests wait; the limit is 2"):
        hand.add([3])
    hand.add([4], is_admitted=True)
    hand.finish()


def test_background_work_does_not_keep_others_out() -> None:
    hand = HandScheduler(settings=small(max_waiting=2))
    for first in (1, 2):
        hand.add([first], priority="background")
    hand.add([3])
    hand.add([4])
    for priority in ("interactive", "background"):
        with pytest.raises(QueueFull):
            hand.add([5], priority=priority)
    hand.finish()


def test_what_would_come_too_late_is_refused() -> None:
    hand = HandScheduler(step_ms=32.0)  # a millisecond a token
    hand.add(prompt_of(1, 64), max_tokens=1)
    hand.finish()
    hand.add(prompt_of(2, 64), max_tokens=1, deadline_ms=10)  # nothing else to do: it is tried
    with pytest.raises(QueueFull, match="expected in 128 ms; the deadline is in 100 ms") as caught:
        hand.add(prompt_of(3, 64), max_tokens=1, deadline_ms=100)
    assert caught.value.retry_after_ms == pytest.approx(28)
    hand.add(prompt_of(4, 64), max_tokens=1, deadline_ms=130)
    hand.finish()


def test_completions_in_progress_count_as_work() -> None:
    hand = HandScheduler(step_ms=32.0)
    hand.add(prompt_of(1, 64), max_tokens=0)
    hand.finish()
    for first in range(2, 6):
        hand.add([first], max_tokens=30)
    hand.step()
    hand.add(prompt_of(6, 56), max_tokens=1, deadline_ms=100)
    # Without them 112 tokens would take four steps and 118 ms; 16 of theirs come on top.
    with pytest.raises(QueueFull, match="expected in 135 ms"):
        hand.add(prompt_of(7, 56), max_tokens=1, deadline_ms=120)
    hand.finish()


def test_what_is_cached_does_not_count_as_work() -> None:
    hand = HandScheduler(step_ms=32.0)
    for first in (1, 2):
        hand.add(prompt_of(first, 64), max_tokens=0)
    hand.finish()
    hand.add([*prompt_of(1, 64), 7], deadline_ms=100)
    hand.add([*prompt_of(2, 64), 7], deadline_ms=100)
    hand.finish()


def test_a_typed_key_is_not_refused_for_a_file_before_it() -> None:
    hand = HandScheduler(step_ms=32.0)
    hand.add(prompt_of(1, 64), max_tokens=0)
    hand.finish()
    hand.add(prompt_of(2, 250), max_tokens=1)
    hand.add([*prompt_of(1, 64), 7], deadline_ms=100)
    hand.finish()


# --- the policy ----------------------------------------------------------------------------------


class LastComeFirstServed:
    """Another policy: the newest goes first, and takes the place of anybody."""

    def rank(self, sequence: Sequence) -> Rank:
        return (-sequence.arrived_ms,)

    def aged_at_ms(self, sequence: Sequence) -> float | None:
        return None

    def may_displace(self, sequence: Sequence, other: Sequence) -> bool:
        return True


def test_the_policy_can_be_another() -> None:
    hand = HandScheduler(settings=small(max_sequences=1), policy=LastComeFirstServed())
    for first in range(1, 4):
        hand.add(prompt_of(first, 8), max_tokens=6)
        hand.step()
    hand.finish()
    assert list(hand.written) == [3, 2, 1]
    for first in range(1, 4):
        assert hand.written[first] == write_alone(LOCAL, prompt_of(first, 8), 6)


# --- all of it, in any order ---------------------------------------------------------------------

PROMPTS = st.lists(st.integers(0, 1), min_size=1, max_size=30)
KEYS = st.builds(
    CacheKey,
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, None, "x"]),
    st.sampled_from([None, "s", "t"]),
)


def guess_somehow(sequence: Sequence) -> list[int]:
    """Guess right twice, then wrong; now and then nothing."""
    if len(sequence.token_ids) % 3 == 0:
        return []
    right = guess_all_right(sequence)
    return right[:2] + [0] * len(right[2:])


class SchedulerTwin(RuleBasedStateMachine):
    """Requests come and go in any order, in little memory; each writes what it writes alone."""

    @initialize(
        num_blocks=st.integers(10, 24),
        max_step_tokens=st.integers(1, 24),
        max_sequences=st.integers(1, 8),
    )
    def make(self, num_blocks: int, max_step_tokens: int, max_sequences: int) -> None:
        sizes = SchedulerSettings(max_step_tokens, max_sequences, max_waiting=1000)
        self.hand = HandScheduler(num_blocks, settings=sizes, guess=guess_somehow, tenant_share=0.5)
        self.there: list[Sequence] = []
        self.expected: dict[int, list[int]] = {}

    @rule(
        prompt=PROMPTS,
        key=KEYS,
        max_tokens=st.sampled_from([0, 1, 3, 9]),
        priority=st.sampled_from(["interactive", "interactive", "background"]),
        deadline_ms=st.none() | st.integers(1, 5000),
    )
    def arrive(
        self,
        prompt: list[int],
        key: CacheKey,
        max_tokens: int,
        priority: Priority,
        deadline_ms: int | None,
    ) -> None:
        sequence = self.hand.add(prompt, max_tokens, key, priority, deadline_ms, is_admitted=True)
        self.there.append(sequence)
        self.expected[sequence.seq_id] = write_alone(key, prompt, max_tokens)

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(self.there))
        self.there.remove(sequence)
        self.hand.scheduler.remove(sequence)

    @rule(num_steps=st.integers(1, 4), pause_ms=st.sampled_from([0, 0, 3000]))
    def step(self, num_steps: int, pause_ms: int) -> None:
        for _ in range(num_steps):
            self.hand.step()
        self.hand.now_ms += pause_ms
        self.there = [s for s in self.there if not self.hand.is_finished(s)]

    @invariant()
    def adds_up(self) -> None:
        self.hand.check_integrity()

    @invariant()
    def nothing_wrong_was_written(self) -> None:
        for seq_id, written in self.hand.written.items():
            assert written == self.expected[seq_id]

    def teardown(self) -> None:
        if hasattr(self, "hand"):
            self.hand.finish()
            self.nothing_wrong_was_written()
            assert all(map(self.hand.is_finished, self.there))


TestSchedulerTwin = SchedulerTwin.TestCase
TestSchedulerTwin.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(PROMPTS, st.integers(1, 12)), min_size=2, max_size=8),
    st.integers(11, 14),
    st.integers(4, 40),
)
def test_with_hardly_any_memory_everybody_writes_the_same(
    wanted: list[tuple[list[int], int]], num_blocks: int, max_step_tokens: int
) -> None:
    hand = HandScheduler(num_blocks, settings=small(max_step_tokens=max_step_tokens))
    for prompt, max_tokens in wanted:
        hand.add(prompt, max_tokens)
    hand.finish()
    assert [hand.written[i + 1] for i in range(len(wanted))] == [
        write_alone(LOCAL, prompt, max_tokens) for prompt, max_tokens in wanted
    ]
