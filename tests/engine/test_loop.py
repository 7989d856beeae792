"""The loop, one step at a time: who comes, who goes, what is told, what is left behind."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from torch import Tensor

from fimserve.engine import (
    CompletionRequest,
    EngineSettings,
    InvalidRequest,
    NothingInTime,
    QueueFull,
)
from fimserve.engine.runner import Runner
from fimserve.engine.scheduler import WorkItem
from fimserve.engine.text_stream import TextStream
from fimserve.models import LoadedModel
from fimserve.prompt import Order
from support.fake_clock import FakeClock
from support.loops import Asked, HandLoop

PREFIX, SUFFIX = "def mean(values):\n    return ", "\n\nprint(mean([1, 2]))\n"
REQUEST = CompletionRequest(PREFIX, SUFFIX, max_tokens=12, multiline=True, trim=False)
LONG = replace(REQUEST, max_tokens=500)
SMALL = EngineSettings(kv_memory_mib=1, block_tokens=8, max_step_tokens=16)


def reason_of(asked: Asked) -> str | None:
    return asked.deltas[-1].finish_reason


# --- coming and going ----------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", [0, 1, 2, 4, 30])
def test_a_cancelled_request_is_out_before_the_next_step(
    tiny_model: LoadedModel, num_steps: int
) -> None:
    """In the queue, inside its prompt, and while it writes."""
    hand = HandLoop(tiny_model, SMALL)
    asked = hand.ask(LONG)
    for _ in range(num_steps):
        hand.loop.step()
    hand.loop.end(asked.ticket, "cancelled")
    assert reason_of(asked) == "cancelled"
    assert hand.loop.is_idle
    hand.loop.check_integrity()
    num_told = len(asked.deliveries)
    hand.loop.end(asked.ticket, "length")
    hand.loop.step()
    assert len(asked.deliveries) == num_told


def test_ten_thousand_random_cancels_leave_no_block_behind(tiny_model: LoadedModel) -> None:
    dice = random.Random(7)
    settings = EngineSettings(
        kv_memory_mib=1, block_tokens=16, max_step_tokens=128, max_sequences=24
    )
    hand = HandLoop(tiny_model, settings)
    running: list[Asked] = []
    num_cancelled = 0
    while num_cancelled < 10_000:
        for _ in range(dice.randrange(12)):
            running.append(hand.ask(a_request(dice)))
        for _ in range(dice.randrange(12)):
            if running:
                asked = running.pop(dice.randrange(len(running)))
                num_cancelled += not asked.is_over
                hand.loop.end(asked.ticket, "cancelled")
                assert asked.is_over
        if dice.random() < 0.5:
            hand.loop.step()
        running = [asked for asked in running if not asked.is_over]
    hand.loop.end_all("cancelled")
    hand.loop.check_integrity()
    assert hand.loop.parts.kv.num_free_blocks == hand.loop.parts.kv.num_blocks
    fresh = HandLoop(tiny_model, settings).complete(REQUEST)
    assert hand.complete(REQUEST).token_ids == fresh.token_ids


def a_request(dice: random.Random) -> CompletionRequest:
    return replace(
        REQUEST,
        prefix=PREFIX + "values"[: dice.randrange(7)],
        session=dice.choice(["a", "b", "c", "d", None, None, None]),
        tenant=dice.choice(["local", "other"]),
        order=dice.choice([*Order, "auto"]),
        max_tokens=dice.choice([0, 3, 40]),
        n=dice.choice([1, 1, 3]),
        streamed=dice.random() < 0.5,
    )


def test_a_newer_request_of_a_session_ends_the_older(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, SMALL)
    older = hand.ask(replace(LONG, session="main.py"))
    other = hand.ask(replace(LONG, session="other.py"))
    stranger = hand.ask(replace(LONG, session="main.py", tenant="stranger"))
    hand.loop.step()
    newer = hand.ask(replace(REQUEST, session="main.py"))
    assert reason_of(older) == "cancelled"
    hand.finish()
    assert reason_of(newer) == reason_of(other) == reason_of(stranger) == "length"


def test_a_prefetch_leaves_the_completion_of_its_session_alone(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, SMALL)
    shown = hand.ask(replace(REQUEST, session="main.py"))
    prefetch = replace(LONG, session="main.py", priority="background")
    older, newer = hand.ask(prefetch), hand.ask(prefetch)
    hand.loop.step()
    assert reason_of(older) == "cancelled"
    hand.finish()
    assert reason_of(shown) == reason_of(newer) == "length"


def test_a_refused_request_is_told_why_and_disturbs_nobody(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, replace(SMALL, max_waiting=2))
    asked = [hand.ask(REQUEST) for _ in range(4)]
    for refused in asked[2:]:
        (error,) = refused.deliveries
        assert isinstance(error, QueueFull)
        assert error.retry_after_ms > 0
    hand.finish()
    assert [reason_of(one) for one in asked[:2]] == ["length", "length"]
    hand.loop.check_integrity()


def test_what_can_never_fit_is_refused(tiny_model: LoadedModel) -> None:
    # The context is as long as the memory: more than half of it goes to the prompt at most, and
    # a completion longer than what is left is cut, so that everything fits.
    hand = HandLoop(tiny_model, replace(SMALL, kv_memory_mib=1))
    asked = hand.complete(replace(REQUEST, prefix="x = 1\n" * 500, max_tokens=10_000))
    assert reason_of(asked) == "length"
    usage = asked.deltas[-1].usage
    assert usage is not None
    assert usage.prompt_tokens + usage.completion_tokens <= 1024


def test_a_bad_order_is_a_refusal_of_that_request_alone(tiny_model: LoadedModel) -> None:
    hand = HandLoop(replace(tiny_model, orders=("psm",), default_order="psm"))
    good, bad = hand.ask(REQUEST), hand.ask(replace(REQUEST, order=Order.SPM))
    assert isinstance(bad.deliveries[0], InvalidRequest)
    hand.finish()
    assert reason_of(good) == "length"
    hand.loop.check_integrity()


# --- deadlines -----------------------------------------------------------------------------------


def test_a_deadline_ends_a_stream_where_it_is(tiny_model: LoadedModel) -> None:
    clock = FakeClock()
    hand = HandLoop(tiny_model, now_ms=clock)
    asked = hand.ask(replace(LONG, deadline_ms=100))
    while not asked.is_over:
        hand.loop.step()
        clock.time_ms += 20
    assert reason_of(asked) == "length"
    assert 1 <= len(asked.token_ids) <= 6
    assert asked.text == hand.complete(LONG).text[: len(asked.text)]


def test_a_deadline_leaves_a_whole_answer_its_whole_lines(tiny_model: LoadedModel) -> None:
    clock = FakeClock()
    request = replace(LONG, temperature=2.0, seed=1)
    whole = HandLoop(tiny_model).complete(request).text
    assert "\n" in whole[:400]
    hand = HandLoop(tiny_model, now_ms=clock)
    asked = hand.ask(replace(request, streamed=False, deadline_ms=4000))
    while not asked.is_over:
        hand.loop.step()
        clock.time_ms += 10
    assert whole.startswith(asked.text)
    assert whole[len(asked.text)] == "\n"


def test_a_step_that_would_end_too_late_is_not_begun(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    run = Runner.run

    def run_in_ten_ms(self: Runner, items: list[WorkItem], slots: list[int]) -> Tensor:
        clock.time_ms += 10
        return run(self, items, slots)

    monkeypatch.setattr(Runner, "run", run_in_ten_ms)
    hand = HandLoop(tiny_model, now_ms=clock)
    hand.complete(REQUEST)
    for deadline_ms in range(45, 120, 7):
        usage = hand.complete(replace(LONG, deadline_ms=deadline_ms)).deltas[-1].usage
        assert usage is not None
        assert usage.completion_tokens > 0
        assert deadline_ms - 10 <= usage.e2e_ms <= deadline_ms


def test_a_prompt_that_takes_too_long_is_refused_at_the_deadline_and_continued_by_the_next(
    tiny_model: LoadedModel,
) -> None:
    clock = FakeClock()
    hand = HandLoop(tiny_model, replace(SMALL, max_step_tokens=8), now_ms=clock)
    request = replace(LONG, prefix=LONG.prefix * 8, deadline_ms=50, session="file")
    num_missed = 0
    while True:
        asked = hand.ask(request)
        while not asked.is_over:
            hand.loop.step()
            clock.time_ms += 20
        (last,) = asked.deliveries[-1:]
        if not isinstance(last, NothingInTime):
            break
        assert asked.deliveries == [last]
        assert last.retry_after_ms >= 1
        hand.loop.check_integrity()
        num_missed += 1
        assert num_missed < 10
    # What each try computed was there for the next one: in the end there was time to write.
    assert num_missed >= 2
    assert asked.text
    assert reason_of(asked) == "length"


def test_no_step_is_begun_that_a_prompt_of_others_makes_too_long(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step with a piece of prompt takes ten times as long as one without."""
    clock = FakeClock()
    run = Runner.run

    def run_slowly(self: Runner, items: list[WorkItem], slots: list[int]) -> Tensor:
        clock.time_ms += 100 if any(item.is_prefill for item in items) else 10
        return run(self, items, slots)

    monkeypatch.setattr(Runner, "run", run_slowly)
    hand = HandLoop(tiny_model, replace(SMALL, max_step_tokens=16), now_ms=clock)
    hand.complete(REQUEST)
    mine = hand.ask(replace(LONG, deadline_ms=900))
    while not mine.token_ids:
        hand.loop.step()
    clock.time_ms = mine.ticket.arrived_ms + 850
    hand.ask(replace(REQUEST, prefix="another = file\n" * 20))
    while not mine.is_over:
        hand.loop.step()
    usage = mine.deltas[-1].usage
    assert usage is not None
    assert mine.text
    assert usage.e2e_ms <= 900


def test_steps_that_were_slow_once_do_not_end_answers_for_ever(tiny_model: LoadedModel) -> None:
    clock = FakeClock()
    hand = HandLoop(tiny_model, now_ms=clock)
    hand.loop.parts.scheduler._admission.observe_step(1, False, 10_000.0)
    asked = hand.ask(replace(LONG, deadline_ms=100))
    while not asked.is_over:
        hand.loop.step()
        clock.time_ms += 5
    assert len(asked.token_ids) > 5


@pytest.mark.parametrize("num_line_chars", [0, 30])
def test_time_for_writing_begins_with_the_first_token_and_leaves_a_whole_line(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch, num_line_chars: int
) -> None:
    # The tiny model writes no lines: say when it has.
    has_line = property(lambda text: text.num_chars >= num_line_chars, lambda text, value: None)
    monkeypatch.setattr(TextStream, "has_whole_line", has_line, raising=False)
    clock = FakeClock()
    hand = HandLoop(tiny_model, replace(SMALL, max_step_tokens=8), now_ms=clock)
    asked = hand.ask(replace(LONG, max_writing_ms=50))
    while not asked.is_over:
        hand.loop.step()
        clock.time_ms += 20
    usage = asked.deltas[-1].usage
    assert usage is not None
    assert reason_of(asked) == "length"
    assert usage.ttft_ms > 50
    if not num_line_chars:
        assert 50 <= usage.e2e_ms - usage.ttft_ms <= 70
        assert 2 <= len(asked.token_ids) <= 4
    else:
        assert num_line_chars <= len(asked.text) <= num_line_chars + 20
        assert usage.e2e_ms - usage.ttft_ms > 70


def test_a_token_of_the_request_ends_the_completion_like_an_end_token(
    tiny_model: LoadedModel,
) -> None:
    hand = HandLoop(tiny_model)
    whole = hand.complete(replace(REQUEST, heal=False)).token_ids
    stop = whole[4]
    asked = hand.complete(replace(REQUEST, heal=False, stop_token_ids=frozenset({stop})))
    assert asked.token_ids == whole[: whole.index(stop)]
    assert reason_of(asked) == "stop"


# --- what is told --------------------------------------------------------------------------------


def test_a_prompt_alone_is_computed_and_told(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, SMALL)
    warm = hand.complete(replace(REQUEST, max_tokens=0))
    assert (warm.text, warm.token_ids, reason_of(warm)) == ("", [], "length")
    assert hand.complete(replace(REQUEST, max_tokens=0)).deltas[-1].usage is not None
    usage = hand.complete(REQUEST).deltas[-1].usage
    assert usage is not None
    assert usage.cached_tokens == usage.prompt_tokens - 1


@pytest.mark.parametrize("num_repeats", [1, 20])
def test_a_twin_of_a_running_request_computes_at_most_a_step_of_the_prompt_again(
    tiny_model: LoadedModel, num_repeats: int
) -> None:
    """Two windows, or a client that asks twice: both come before the first step."""
    hand = HandLoop(tiny_model, replace(SMALL, kv_memory_mib=4))
    request = replace(REQUEST, prefix=REQUEST.prefix * num_repeats)
    first, second = hand.ask(request), hand.ask(request)
    hand.finish()
    usages = [asked.deltas[-1].usage for asked in (first, second)]
    computed = [usage.prompt_tokens - usage.cached_tokens for usage in usages if usage]
    assert first.token_ids == second.token_ids
    assert min(computed) <= SMALL.max_step_tokens
    if num_repeats > 1:
        assert max(computed) > 10 * min(computed)


def test_several_completions_share_the_prompt(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, SMALL)
    asked = hand.complete(replace(REQUEST, n=3, temperature=1.0, seed=2, heal=False))
    ends = [delta for delta in asked.deltas if delta.finish_reason is not None]
    assert sorted(delta.index for delta in ends) == [0, 1, 2]
    assert [delta.usage is not None for delta in ends] == [False, False, True]
    usage = ends[-1].usage
    assert usage is not None
    assert usage.completion_tokens == len(asked.token_ids)


def test_logprobs_come_with_their_tokens(tiny_model: LoadedModel) -> None:
    asked = HandLoop(tiny_model).complete(replace(REQUEST, logprobs=3, heal=False))
    entries = [entry for delta in asked.deltas for entry in delta.logprobs]
    assert [entry.token_id for entry in entries] == asked.token_ids
    for entry in entries:
        ids = [token_id for token_id, _, _ in entry.top]
        values = [value for _, _, value in entry.top]
        assert len(ids) == 3
        assert values == sorted(values, reverse=True)
        assert ids[0] == entry.token_id  # greedy
        assert values[0] == entry.logprob <= 0


def test_times_are_counted_from_the_arrival(tiny_model: LoadedModel) -> None:
    clock = FakeClock()
    hand = HandLoop(tiny_model, EngineSettings(kv_memory_mib=4), now_ms=clock)
    asked = hand.ask(REQUEST)
    clock.time_ms += 5
    while not asked.is_over:
        hand.loop.step()
        clock.time_ms += 10
    usage = asked.deltas[-1].usage
    assert usage is not None
    assert usage.queue_ms == 5
    assert usage.ttft_ms == 5
    assert usage.e2e_ms >= 5 + 10 * (len(asked.deltas) - 1)


def test_what_sessions_hold_is_counted_while_they_are_used(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, EngineSettings(kv_memory_mib=4, session_memory_mib=1))
    book = hand.loop.parts.sessions
    for number in range(12):
        request = replace(REQUEST, prefix="x = 1\n" * 30_000, session=f"{number}.py", max_tokens=2)
        hand.complete(replace(request, order=Order.MIDDLE_INCREMENT))
    assert 1 < len(book) < 12
    assert book.num_bytes <= 1 << 20


@pytest.mark.parametrize("fields", [{"ignore_eos": True}, {"min_tokens": 60}])
def test_a_length_asked_for_is_kept_whatever_the_rules_say(
    tiny_model: LoadedModel, fields: dict[str, object]
) -> None:
    request = replace(REQUEST, max_tokens=60, multiline=False, trim=True, heal=False)
    sampled = replace(request, temperature=2.0, seed=1)
    assert len(HandLoop(tiny_model).complete(sampled).token_ids) < 60
    free = HandLoop(tiny_model).complete(replace(sampled, **fields))  # type: ignore[arg-type]
    assert len(free.token_ids) == 60
