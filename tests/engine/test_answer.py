"""Prefill and decode can end at every step and leave a sequence that can be continued."""

from __future__ import annotations

import pytest

from fimserve.engine import CompletionDelta, CompletionRequest
from fimserve.engine.answer import Answer, AnswerPlan
from fimserve.engine.sampler import Sampler
from fimserve.engine.sequence import Sequence
from fimserve.engine.text_stream import TextStream
from fimserve.engine.ticket import Ticket
from fimserve.models import LoadedModel
from support.fake_clock import FakeClock

PROMPT = tuple(range(20, 120))


def token_bytes(token_id: int) -> bytes:
    return f"[{token_id}]".encode()


def make_plan(chunk_tokens: int = 10, max_tokens: int = 8, **changes: object) -> AnswerPlan:
    fields: dict[str, object] = {
        "prompt_ids": PROMPT,
        "chunk_tokens": chunk_tokens,
        "max_tokens": max_tokens,
        "num_candidates": 378,
        "stop_token_ids": frozenset(),
        "sampler": Sampler(0.0, 1.0, None),
        "text": TextStream(token_bytes, ()),
    }
    return AnswerPlan(**(fields | changes))  # type: ignore[arg-type]


def write(
    model: LoadedModel,
    plan: AnswerPlan,
    sequence: Sequence | None = None,
    clock: FakeClock | None = None,
    ticket: Ticket | None = None,
) -> list[CompletionDelta]:
    clock = clock or FakeClock()
    ticket = ticket or make_ticket()
    answer = Answer(ticket, plan, sequence or Sequence(model.model), clock)
    return list(answer.write(clock.time_ms))


def make_ticket(deadline_ms: float | None = None) -> Ticket:
    return Ticket(CompletionRequest("", deadline_ms=deadline_ms), 0.0, lambda delivery: None)


def ids_of(deltas: list[CompletionDelta]) -> list[int]:
    return [token_id for delta in deltas for token_id in delta.token_ids]


@pytest.mark.parametrize("chunk_tokens", [1, 7, 99, 100, 1000])
def test_chunked_prefill_writes_what_the_whole_writes(
    tiny_model: LoadedModel, chunk_tokens: int
) -> None:
    whole = write(tiny_model, make_plan(len(PROMPT)))
    assert ids_of(write(tiny_model, make_plan(chunk_tokens))) == ids_of(whole)
    assert len(set(ids_of(whole))) > 3, "a model that repeats one token would prove little"


def test_text_and_tokens_of_the_deltas_belong_together(tiny_model: LoadedModel) -> None:
    deltas = write(tiny_model, make_plan())
    text = "".join(delta.text for delta in deltas)
    assert text.encode() == b"".join(map(token_bytes, ids_of(deltas)))
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    usage = deltas[-1].usage
    assert deltas[-1].finish_reason == "length"
    assert usage is not None
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (100, 0, 8)


def test_a_stop_token_ends_the_answer_and_is_no_part_of_it(tiny_model: LoadedModel) -> None:
    token_ids = ids_of(write(tiny_model, make_plan()))
    stop = token_ids[4]
    deltas = write(tiny_model, make_plan(stop_token_ids=frozenset({stop})))
    assert ids_of(deltas) == token_ids[: token_ids.index(stop)]
    assert deltas[-1].finish_reason == "stop"


def test_a_stop_string_ends_the_answer_in_the_middle_of_a_token(tiny_model: LoadedModel) -> None:
    third = ids_of(write(tiny_model, make_plan()))[2]
    text = TextStream(token_bytes, [f"{third}]"])
    deltas = write(tiny_model, make_plan(text=text))
    assert "".join(delta.text for delta in deltas).endswith("[")
    assert deltas[-1].finish_reason == "stop"
    assert len(ids_of(deltas)) == 3


def test_ids_beyond_the_tokenizer_are_never_chosen(tiny_model: LoadedModel) -> None:
    sampler = Sampler(5.0, 1.0, seed=3)  # hot: nearly uniform over all ids
    token_ids = ids_of(write(tiny_model, make_plan(max_tokens=200, sampler=sampler)))
    assert max(token_ids) < 378
    sampler = Sampler(5.0, 1.0, seed=3)
    wider = make_plan(max_tokens=200, sampler=sampler, num_candidates=400)
    assert max(ids_of(write(tiny_model, wider))) >= 378


def test_no_tokens_asked_for_only_fills_the_cache(tiny_model: LoadedModel) -> None:
    sequence = Sequence(tiny_model.model)
    deltas = write(tiny_model, make_plan(max_tokens=0), sequence)
    assert [(delta.text, delta.finish_reason) for delta in deltas] == [("", "length")]
    assert tuple(sequence.token_ids) == PROMPT
    again = write(tiny_model, make_plan(), sequence)
    assert again[-1].usage is not None
    assert again[-1].usage.cached_tokens == 99
    assert ids_of(again) == ids_of(write(tiny_model, make_plan()))


@pytest.mark.parametrize("num_looks", range(1, 24))
def test_cancelled_at_any_step_the_sequence_can_be_continued(
    tiny_model: LoadedModel, num_looks: int
) -> None:
    ticket = make_ticket()
    clock = FakeClock(on_look=lambda looks: ticket.cancel() if looks == num_looks else None)
    sequence = Sequence(tiny_model.model)
    deltas = write(tiny_model, make_plan(), sequence, clock, ticket)
    reason = deltas[-1].finish_reason
    assert reason == ("cancelled" if num_looks <= 19 else "length")
    assert sequence.is_consistent
    if num_looks <= 10:  # ten chunks of ten: one look before each
        assert len(sequence.token_ids) == 10 * (num_looks - 1)
    continued = write(tiny_model, make_plan(), sequence)
    assert ids_of(continued) == ids_of(write(tiny_model, make_plan()))


def test_a_deadline_in_prefill_ends_it_with_nothing_written(tiny_model: LoadedModel) -> None:
    sequence = Sequence(tiny_model.model)
    deltas = write(
        tiny_model, make_plan(), sequence, FakeClock(step_ms=1.0), make_ticket(deadline_ms=5.0)
    )
    assert [(delta.text, delta.finish_reason) for delta in deltas] == [("", "length")]
    assert len(sequence.token_ids) == 40


def test_a_deadline_in_decode_keeps_what_is_written(tiny_model: LoadedModel) -> None:
    deltas = write(
        tiny_model, make_plan(), None, FakeClock(step_ms=1.0), make_ticket(deadline_ms=15.0)
    )
    written = ids_of(deltas)
    assert 0 < len(written) < 8
    assert written == ids_of(write(tiny_model, make_plan()))[: len(written)]
    assert deltas[-1].finish_reason == "length"


def test_times_are_counted_from_arrival(tiny_model: LoadedModel) -> None:
    clock = FakeClock(step_ms=1.0)
    clock.time_ms = 50.0
    usage = write(tiny_model, make_plan(max_tokens=2), clock=clock)[-1].usage
    assert usage is not None
    assert usage.queue_ms == 50.0
    assert 50.0 < usage.ttft_ms < usage.e2e_ms
