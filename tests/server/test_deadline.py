"""A deadline in a header or a field: the best text by then, and never an answer after it.

The engines here never end by themselves, so an answer at all is the proof that the clock ended it.
"""

import asyncio
import json

import pytest

from fimserve.engine import CompletionDelta, NothingInTime, QueueFull
from support.asgi import request
from support.fake_engine import USAGE, FakeEngine

AREA = {"prompt": "def area(r):\n", "suffix": "\n"}


def never() -> asyncio.Event:
    return asyncio.Event()


def ask(engine: FakeEngine, header: str | None, **fields: object) -> tuple[int, str]:
    headers = {} if header is None else {"x-deadline-ms": header}
    answer = request(engine, "POST", "/v1/completions", json=AREA | fields, headers=headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize(("header", "fields"), [("60", {}), (None, {"deadline_ms": 60})])
def test_an_engine_that_is_late_is_answered_for(
    header: str | None, fields: dict[str, object]
) -> None:
    engine = FakeEngine(["    pi = 3.14\n", "    return pi * r * r", never()])
    status, text = ask(engine, header, **fields)
    choice = json.loads(text)["choices"][0]
    assert status == 200
    assert choice["text"] == "    pi = 3.14\n    return pi * r * r"
    assert choice["finish_reason"] == "length"
    assert json.loads(text)["usage"]["completion_tokens"] == 2
    assert engine.num_open == 0


def test_a_stream_ends_at_its_deadline() -> None:
    engine = FakeEngine(["a", never()])
    status, text = ask(engine, "60", stream=True, stream_options={"include_usage": True})
    records = [json.loads(r.removeprefix("data: ")) for r in text.split("\n\n")[:-2]]
    assert status == 200
    assert [r["choices"][0]["text"] for r in records[:-1]] == ["a", ""]
    assert records[-2]["choices"][0]["finish_reason"] == "length"
    assert records[-1]["usage"]["completion_tokens"] == 1
    assert text.endswith("data: [DONE]\n\n")
    assert engine.num_open == 0


def test_every_choice_gets_an_end() -> None:
    done = CompletionDelta("b", (2,), "stop", index=1)
    engine = FakeEngine([CompletionDelta("a", (1,), index=0), done, never()])
    choices = json.loads(ask(engine, "60", n=3)[1])["choices"]
    assert [(c["text"], c["finish_reason"]) for c in choices] == [
        ("a", "length"),
        ("b", "stop"),
        ("", "length"),
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [[], [CompletionDelta("", (1,))]], ids=["nothing", "no text"])
def test_nothing_written_by_then_is_a_429_and_no_empty_answer(
    begun: list[CompletionDelta], stream: bool
) -> None:
    engine = FakeEngine([*begun, never()])
    headers = {"x-deadline-ms": "40"}
    body = AREA | {"stream": stream}
    answer = request(engine, "POST", "/v1/completions", json=body, headers=headers)
    assert answer.status_code == 429
    assert answer.headers["x-should-retry"] == "false"
    assert int(answer.headers["retry-after"]) >= 1
    assert "deadline" in answer.json()["error"]["message"]
    assert engine.num_open == 0


def test_an_engine_that_had_nothing_in_time_says_when_to_come_back() -> None:
    engine = FakeEngine([NothingInTime("nothing was written by the deadline", 2500.0)])
    headers = {"x-deadline-ms": "60000"}
    answer = request(engine, "POST", "/v1/completions", json=AREA, headers=headers)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3"


def test_a_model_that_has_nothing_to_say_says_so_with_200() -> None:
    engine = FakeEngine([CompletionDelta("", (), "stop", USAGE)])
    assert ask(engine, "60000")[0] == 200


@pytest.mark.parametrize(
    ("header", "field", "smaller"),
    [
        ("60000", 900_000, 60_000),
        ("900000", 60_000, 60_000),
        ("60000.5", None, 60_000.5),
        (None, 60_000, 60_000),
    ],
)
def test_the_shorter_of_header_and_field_counts(
    header: str | None, field: int | None, smaller: float
) -> None:
    engine = FakeEngine()
    assert ask(engine, header, deadline_ms=field)[0] == 200
    got = engine.last_request.deadline_ms
    # Counted from the first byte of the request, and less what bringing the answer out takes.
    assert got is not None
    assert 0 < got < smaller


def test_without_either_there_is_no_deadline() -> None:
    engine = FakeEngine()
    ask(engine, None)
    assert engine.last_request.deadline_ms is None
    assert not engine.last_request.streamed


def test_an_engine_in_time_answers_for_itself() -> None:
    end = CompletionDelta("pi", (1,), "stop", USAGE)
    body = json.loads(ask(FakeEngine([end]), "60000")[1])
    assert body["usage"]["prompt_tokens"] == USAGE.prompt_tokens
    assert body["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("value", ["", "soon", "-1", "1e3", "nan", "inf", "0x10", "1,5", "9" * 10])
def test_a_header_that_is_no_time_is_a_400(value: str) -> None:
    engine = FakeEngine()
    status, text = ask(engine, value)
    assert status == 400
    assert json.loads(text)["error"]["param"] == "x-deadline-ms"
    assert ask(engine, value, stream=True)[0] == 400
    assert engine.requests == []


@pytest.mark.parametrize("header", ["0", "0.5", "2"])
def test_a_deadline_that_is_over_is_a_429_that_no_client_retries(header: str) -> None:
    engine = FakeEngine()
    answer = request(
        engine, "POST", "/v1/completions", json=AREA, headers={"x-deadline-ms": header}
    )
    assert answer.status_code == 429
    assert answer.headers["x-should-retry"] == "false"
    assert int(answer.headers["retry-after"]) >= 1
    assert engine.requests == []


def test_what_the_engine_refuses_in_time_stays_refused() -> None:
    engine = FakeEngine([QueueFull("the first token is expected in 900 ms", 900.0)])
    assert ask(engine, "60000")[0] == 429
