"""OpenAI's completions: the whole answer, the stream byte for byte, failures at every moment."""

import json
import re

import httpx
import pytest

from fimserve import __version__
from fimserve.engine import (
    BrokenEngine,
    CompletionDelta,
    EngineClosed,
    InvalidRequest,
    QueueFull,
    TokenLogprob,
)
from fimserve.prompt import Order, Snippet
from fimserve.server.settings import ServerSettings
from support.asgi import post, request
from support.fake_engine import USAGE, FakeEngine

AREA = {"prompt": "def area(r):\n    return ", "suffix": "\n\nprint(area(2))\n"}


def read_records(answer: httpx.Response) -> list[str]:
    """Return the payloads of a stream after checking that nothing but records is in it."""
    assert answer.text.endswith("\n\n")
    records = answer.text.removesuffix("\n\n").split("\n\n")
    assert all(re.fullmatch(r"data: [^\r\n]+", record) for record in records)
    return [record.removeprefix("data: ") for record in records]


def test_whole_answer_has_every_field_of_the_contract() -> None:
    answer = post(FakeEngine(), AREA)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert re.fullmatch(r"cmpl-[0-9a-f]{24}", body.pop("id"))
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "object": "text_completion",
        "model": "fake-1b",
        "choices": [
            {"index": 0, "text": "3.14159 * r * r", "logprobs": None, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 9,
            "total_tokens": 28,
            "prompt_tokens_details": {"cached_tokens": 12},
        },
        "system_fingerprint": f"fimserve-{__version__}",
        "timings": {"queue_ms": 0.5, "ttft_ms": 8.25, "e2e_ms": 41.0},
    }


def test_whole_answer_is_compact_json_on_one_line() -> None:
    answer = post(FakeEngine(["a\nb"]), AREA)
    assert "\n" not in answer.text
    assert '"text":"a\\nb"' in answer.text


def test_stream_is_the_contract_byte_for_byte() -> None:
    answer = post(FakeEngine(), {**AREA, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    first = json.loads(read_records(answer)[0])
    head = (
        f'{{"id":"{first["id"]}","object":"text_completion",'
        f'"created":{first["created"]},"model":"fake-1b",'
    )
    assert answer.content.decode("ascii") == (
        f'data: {head}"choices":[{{"index":0,"text":"3.14159",'
        '"logprobs":null,"finish_reason":null}]}\n\n'
        f'data: {head}"choices":[{{"index":0,"text":" * r * r",'
        '"logprobs":null,"finish_reason":"stop"}]}\n\n'
        f'data: {head}"choices":[],'
        '"usage":{"prompt_tokens":19,"completion_tokens":9,"total_tokens":28,'
        '"prompt_tokens_details":{"cached_tokens":12}},'
        f'"system_fingerprint":"fimserve-{__version__}",'
        '"timings":{"queue_ms":0.5,"ttft_ms":8.25,"e2e_ms":41.0}}\n\n'
        "data: [DONE]\n\n"
    )


def test_stream_without_include_usage_has_no_record_without_choices() -> None:
    records = read_records(post(FakeEngine(), {**AREA, "stream": True}))
    assert records[-1] == "[DONE]"
    assert all(json.loads(record)["choices"] for record in records[:-1])


def test_exactly_one_record_ends_the_choice_and_only_done_follows() -> None:
    records = read_records(post(FakeEngine(["a", "b", ""]), {**AREA, "stream": True}))
    reasons = [json.loads(record)["choices"][0]["finish_reason"] for record in records[:-1]]
    assert reasons == [None, None, "stop"]


def test_stream_and_whole_answer_hold_the_same_text() -> None:
    script = ["größe", " = ", "数\u2028😀", "\u0085\x0b", "\n"]
    whole = post(FakeEngine(script), AREA).json()["choices"][0]["text"]
    records = read_records(post(FakeEngine(script), {**AREA, "stream": True}))
    streamed = "".join(json.loads(r)["choices"][0]["text"] for r in records[:-1])
    assert streamed == whole == "".join(script)


def test_line_separators_are_escaped_so_that_no_client_breaks_a_record_there() -> None:
    answer = post(FakeEngine(["\u0085\u2028\u2029"]), {**AREA, "stream": True})
    assert b"\\u0085\\u2028\\u2029" in answer.content
    assert len(list(answer.iter_lines())) == 4  # record, blank, [DONE], blank


def test_failure_before_the_first_record_is_an_ordinary_error() -> None:
    refusal = InvalidRequest("order is 'spm'; fake-1b was trained for psm")
    answer = post(FakeEngine([refusal]), {**AREA, "stream": True})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"] == "order is 'spm'; fake-1b was trained for psm."


@pytest.mark.parametrize(("wait_ms", "header"), [(1.0, "1"), (1000.0, "1"), (2600.0, "3")])
def test_engine_that_is_too_busy_answers_429_and_says_when_to_come_back(
    wait_ms: float, header: str
) -> None:
    busy = QueueFull("256 requests wait; the limit is 256", retry_after_ms=wait_ms)
    answer = post(FakeEngine([busy]), AREA)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == header
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert answer.json()["error"]["message"] == "256 requests wait; the limit is 256."


def test_engine_that_started_anew_answers_503() -> None:
    answer = post(FakeEngine([BrokenEngine("the engine had to start anew; ask again")]), AREA)
    assert answer.status_code == 503


def test_several_choices_come_back_by_index() -> None:
    script = [
        CompletionDelta("b", (2,), index=1),
        CompletionDelta("a", (1,), "length", index=0),
        CompletionDelta("B", (3,), "stop", USAGE, index=1),
    ]
    choices = post(FakeEngine(script), {**AREA, "n": 2}).json()["choices"]
    assert [(c["index"], c["text"], c["finish_reason"]) for c in choices] == [
        (0, "a", "length"),
        (1, "bB", "stop"),
    ]
    records = read_records(post(FakeEngine(script), {**AREA, "n": 2, "stream": True}))
    streamed = [json.loads(record)["choices"][0] for record in records[:-1]]
    assert [(c["index"], c["text"]) for c in streamed] == [(1, "b"), (0, "a"), (1, "B")]


def test_logprobs_are_parallel_lists() -> None:
    entries = (
        TokenLogprob(5, b"ab", -0.25, ((5, b"ab", -0.25), (6, b"c", -2.0))),
        TokenLogprob(7, b"\xc3", -1.5, ((7, b"\xc3", -1.5),), text_offset=2),
    )
    script = [CompletionDelta("ab", (5, 7), "length", USAGE, logprobs=entries)]
    choice = post(FakeEngine(script), {**AREA, "logprobs": 2}).json()["choices"][0]
    assert choice["logprobs"] == {
        "tokens": ["ab", "\ufffd"],
        "token_logprobs": [-0.25, -1.5],
        "top_logprobs": [{"ab": -0.25, "c": -2.0}, {"\ufffd": -1.5}],
        "text_offset": [0, 2],
    }


def test_offsets_count_from_the_beginning_of_the_whole_text() -> None:
    def entry(token_bytes: bytes, text_offset: int) -> TokenLogprob:
        return TokenLogprob(1, token_bytes, -1.0, text_offset=text_offset)

    script = [
        # A token that writes the blank before the cursor anew, and one whose text is held back.
        CompletionDelta("ab", (1, 1), logprobs=(entry(b" ab", 0), entry(b"cd", 2))),
        CompletionDelta("", (1,), logprobs=(entry(b"\n", 4),)),
        CompletionDelta("cd", (1,), "stop", USAGE, logprobs=(entry(b"}", 5),)),
    ]
    records = read_records(post(FakeEngine(script), {**AREA, "logprobs": 0, "stream": True}))
    choices = [json.loads(record)["choices"][0] for record in records[:-1]]
    assert [
        (c["text"], c["logprobs"]["tokens"], c["logprobs"]["text_offset"]) for c in choices
    ] == [
        ("ab", [" ab"], [0]),
        ("cd", ["cd", "\n", "}"], [2, 4, 4]),
    ]
    whole = post(FakeEngine(script), {**AREA, "logprobs": 0}).json()["choices"][0]
    assert whole["text"] == "abcd"
    assert whole["logprobs"]["text_offset"] == [0, 2, 4, 4]


def test_engine_that_is_closing_answers_503_that_no_client_retries() -> None:
    answer = post(FakeEngine([EngineClosed("the engine is closed")]), AREA)
    assert answer.status_code == 503
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["type"] == "server_error"


def test_failure_inside_the_stream_is_an_error_record_and_done() -> None:
    engine = FakeEngine(["3.14", RuntimeError("secret /path of prompt")])
    answer = post(engine, {**AREA, "stream": True})
    assert answer.status_code == 200
    text, failure, done = read_records(answer)
    assert json.loads(text)["choices"][0]["finish_reason"] is None
    error = json.loads(failure)["error"]
    assert error["type"] == "server_error"
    assert error["param"] is None
    assert error["code"] is None
    assert answer.headers["x-request-id"] in error["message"]
    assert done == "[DONE]"
    assert b"secret" not in answer.content


def test_successful_records_have_no_error_key() -> None:
    records = read_records(post(FakeEngine(), {**AREA, "stream": True}))
    assert all("error" not in json.loads(record) for record in records[:-1])


@pytest.mark.parametrize("stream", [False, True])
def test_unexpected_exception_is_a_500_without_details(stream: bool) -> None:
    engine = FakeEngine([RuntimeError("secret /home/someone")])
    answer = post(engine, {**AREA, "stream": stream})
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["type"] == "server_error"
    assert answer.headers["x-request-id"] in error["message"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_engine_that_ends_without_a_reason_is_a_500(stream: bool) -> None:
    engine = FakeEngine([], finish_reason=None)
    answer = post(engine, {**AREA, "stream": stream})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"


def test_superseded_request_is_a_499_that_no_client_retries() -> None:
    answer = post(FakeEngine([""], finish_reason="cancelled"), AREA)
    assert answer.status_code == 499
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == "request_cancelled"


def test_request_superseded_inside_its_stream_gets_an_error_record() -> None:
    answer = post(FakeEngine(["a", "b"], finish_reason="cancelled"), {**AREA, "stream": True})
    first, second, done = read_records(answer)
    assert json.loads(first)["choices"][0]["text"] == "a"
    assert json.loads(second)["error"]["code"] == "request_cancelled"
    assert done == "[DONE]"


def test_fields_reach_the_engine() -> None:
    engine = FakeEngine()
    body = {
        **AREA,
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["\n\n", "", "#"],
        "seed": 11,
        "path": "src/geo.py",
        "language": "python",
        "snippets": [{"path": "src/consts.py", "text": "PI = 3.14\n"}, {"text": "x"}],
        "multiline": False,
        "order": "psm",
        "session": "doc-1",
        "user": "u-7",
        "an_unknown_key": {"ignored": True},
    }
    assert post(engine, body).status_code == 200
    got = engine.last_request
    assert (got.prefix, got.suffix) == (AREA["prompt"], AREA["suffix"])
    assert (got.max_tokens, got.temperature, got.top_p, got.seed) == (7, 0.5, 0.9, 11)
    assert got.stop == ("\n\n", "#")
    assert (got.path, got.language) == ("src/geo.py", "python")
    assert got.snippets == (Snippet("src/consts.py", "PI = 3.14\n"), Snippet("", "x"))
    assert got.multiline is False
    assert got.order is Order.PSM
    assert got.session == "doc-1"


def test_models_lists_the_served_name_and_the_aliases() -> None:
    settings = ServerSettings(model_aliases=("qwen2.5-coder:1.5b", "fake-1b"))
    body = request(FakeEngine(), "GET", "/v1/models", settings).json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == ["fake-1b", "qwen2.5-coder:1.5b"]
    assert {model["object"] for model in body["data"]} == {"model"}


@pytest.mark.parametrize("name", ["fake-1b", "fimserve", "default", "qwen2.5-coder:1.5b"])
def test_every_served_name_can_be_described_and_used(name: str) -> None:
    settings = ServerSettings(model_aliases=("qwen2.5-coder:1.5b",))
    assert request(FakeEngine(), "GET", f"/v1/models/{name}", settings).json()["id"] == name
    answer = post(FakeEngine(), {**AREA, "model": name}, settings)
    assert answer.json()["model"] == name


@pytest.mark.parametrize(("name", "hint"), [("fake-2b", "'fake-1b'"), ("gpt-4", "Use 'fake-1b'")])
def test_unknown_model_is_a_404_that_names_what_is_served(name: str, hint: str) -> None:
    answers = [
        post(FakeEngine(), {**AREA, "model": name}),
        request(FakeEngine(), "GET", f"/v1/models/{name}"),
    ]
    for answer in answers:
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert error["type"] == "not_found_error"
        assert (error["param"], error["code"]) == ("model", "model_not_found")
        assert name in error["message"]
        assert hint in error["message"]
