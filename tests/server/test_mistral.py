"""Mistral's FIM completions: chat-shaped, each record whole, 422 where a body does not fit."""

import json

import httpx
import pytest

from fimserve.engine import EngineClosed, QueueFull
from support.asgi import request
from support.fake_engine import USAGE, FakeEngine

PATH = "/v1/fim/completions"
AREA = {
    "model": "codestral-latest",
    "prompt": "def area(r):\n    return ",
    "suffix": "\n\nprint(area(2))\n",
    "max_tokens": 32,
}
COUNTS = {"prompt_tokens": 19, "completion_tokens": 9, "total_tokens": 28}


def ask(engine: FakeEngine, **fields: object) -> httpx.Response:
    return request(engine, "POST", PATH, json=AREA | fields)


def read_records(answer: httpx.Response) -> list[dict[str, object]]:
    *records, done = answer.text.split("\n\n")[:-1]
    assert done == "data: [DONE]"
    return [json.loads(record.removeprefix("data: ")) for record in records]


def test_whole_answer_has_every_field_of_the_contract() -> None:
    answer = ask(FakeEngine())
    body = answer.json()
    assert answer.status_code == 200
    assert body.pop("id").startswith("fim-")
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "object": "chat.completion",
        "model": "fake-1b",
        "usage": COUNTS,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "3.14159 * r * r",
                    "tool_calls": None,
                },
                "finish_reason": "stop",
            }
        ],
    }


def test_stream_begins_with_the_role_and_ends_with_the_counts() -> None:
    answer = ask(FakeEngine(), stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    records = read_records(answer)
    assert {record["object"] for record in records} == {"chat.completion.chunk"}
    assert [record["choices"] for record in records] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "3.14159"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": " * r * r"}, "finish_reason": "stop"}],
    ]
    assert [record.get("usage") for record in records] == [None, None, COUNTS]


def test_a_failure_inside_the_stream_ends_it_with_the_reason_error() -> None:
    records = read_records(ask(FakeEngine(["3.14", RuntimeError("secret")]), stream=True))
    (choice,) = records[-1]["choices"]  # type: ignore[misc]
    assert choice == {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}


def test_fields_reach_the_engine() -> None:
    engine = FakeEngine()
    fields = {"stop": "\n\n", "random_seed": 7, "min_tokens": 3, "top_p": 0.9, "metadata": {"a": 1}}
    assert ask(engine, **fields).status_code == 200
    got = engine.last_request
    assert (got.prefix, got.suffix) == (AREA["prompt"], AREA["suffix"])
    assert (got.max_tokens, got.min_tokens, got.seed, got.top_p) == (32, 3, 7, 0.9)
    assert (got.stop, got.temperature) == (("\n\n",), 0.0)


@pytest.mark.parametrize(
    ("fields", "max_tokens"),
    [
        ({"max_tokens": None}, 64),
        ({"max_tokens": None, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 5),
        ({"max_tokens": 4000}, 512),
    ],
)
def test_length_is_clamped(fields: dict[str, object], max_tokens: int) -> None:
    engine = FakeEngine()
    ask(engine, **fields)
    assert engine.last_request.max_tokens == max_tokens


def test_without_a_suffix_the_middle_is_filled_in_before_nothing() -> None:
    engine = FakeEngine()
    ask(engine, suffix=None)
    assert engine.last_request.suffix == ""


@pytest.mark.parametrize(
    ("fields", "loc", "kind"),
    [
        ({"prompt": None}, ["body", "prompt"], "missing"),
        ({"model": None}, ["body", "model"], "missing"),
        ({"temperature": "hot"}, ["body", "temperature"], "value_error"),
        ({"stop": 5}, ["body", "stop"], "value_error"),
        ({"max_tokens": -1}, ["body", "max_tokens"], "value_error"),
        ({"presence_penalty": 0.5}, ["body", "presence_penalty"], "value_error"),
    ],
)
def test_a_body_that_does_not_fit_is_a_422(
    fields: dict[str, object], loc: list[str], kind: str
) -> None:
    engine = FakeEngine()
    answer = ask(engine, **fields)
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert (problem["loc"], problem["type"]) == (loc, kind)
    assert problem["msg"]
    assert engine.requests == []


def test_what_is_no_json_and_a_bad_header_are_422_too() -> None:
    answer = request(FakeEngine(), "POST", PATH, content=b"{")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]
    answer = request(FakeEngine(), "POST", PATH, json=AREA, headers={"x-deadline-ms": "soon"})
    assert answer.json()["detail"][0]["loc"] == ["header", "x-deadline-ms"]


@pytest.mark.parametrize(
    ("error", "status"), [(QueueFull("full", 1.0), 429), (EngineClosed("closed"), 503)]
)
def test_other_errors_keep_status_and_retry_headers(error: Exception, status: int) -> None:
    answer = ask(FakeEngine([error]))
    assert answer.status_code == status
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["object"] == "error"
    assert answer.json()["message"]


def test_a_superseded_request_is_a_499_that_no_client_retries() -> None:
    answer = ask(FakeEngine([""], finish_reason="cancelled"))
    assert answer.status_code == 499
    assert answer.headers["x-should-retry"] == "false"


def test_usage_is_that_of_the_engine() -> None:
    assert ask(FakeEngine()).json()["usage"]["prompt_tokens"] == USAGE.prompt_tokens
