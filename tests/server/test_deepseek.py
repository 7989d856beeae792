"""DeepSeek's completions: OpenAI's shape at two paths, with the counts of the prompt cache."""

import json

import pytest

from fimserve.engine import QueueFull
from support.asgi import request
from support.fake_engine import FakeEngine

PATHS = ("/beta/completions", "/v1/beta/completions")
AREA = {
    "model": "deepseek-coder",
    "prompt": "def area(r):\n    return ",
    "suffix": "\n\nprint(area(2))\n",
    "max_tokens": 64,
    "stop": None,
    "stream": False,
}
DOCUMENTED_NULLS = {"logprobs": None, "stream_options": None, "top_p": 1, "echo": False}


@pytest.mark.parametrize("path", PATHS)
def test_whole_answer_counts_hits_and_misses_of_the_cache(path: str) -> None:
    answer = request(FakeEngine(), "POST", path, json=AREA | DOCUMENTED_NULLS)
    body = answer.json()
    assert answer.status_code == 200
    assert body["object"] == "text_completion"
    assert body["model"] == "fake-1b"
    assert body["choices"] == [
        {"index": 0, "text": "3.14159 * r * r", "logprobs": None, "finish_reason": "stop"}
    ]
    usage = body["usage"]
    assert (usage["prompt_cache_hit_tokens"], usage["prompt_cache_miss_tokens"]) == (12, 7)
    assert usage["total_tokens"] == 28


@pytest.mark.parametrize("path", PATHS)
def test_stream_holds_the_same_text_and_ends_in_done(path: str) -> None:
    body = AREA | {"stream": True, "stream_options": {"include_usage": True}}
    *records, done = request(FakeEngine(), "POST", path, json=body).text.split("\n\n")[:-1]
    parsed = [json.loads(record.removeprefix("data: ")) for record in records]
    assert done == "data: [DONE]"
    assert "".join(r["choices"][0]["text"] for r in parsed[:-1]) == "3.14159 * r * r"
    assert parsed[-1]["usage"]["prompt_cache_hit_tokens"] == 12


def test_fields_reach_the_engine() -> None:
    engine = FakeEngine()
    fields = {"stop": ["//"] * 16, "temperature": 0.5, "top_p": 0.9, "logprobs": 20}
    assert request(engine, "POST", PATHS[0], json=AREA | fields | {"max_tokens": 4096}).is_success
    got = engine.last_request
    assert (got.prefix, got.suffix) == (AREA["prompt"], AREA["suffix"])
    assert (got.max_tokens, got.temperature, got.top_p, got.logprobs) == (512, 0.5, 0.9, 20)
    assert got.stop == ("//",) * 16


def test_a_template_of_the_vendor_s_own_is_taken_apart() -> None:
    engine = FakeEngine()
    prompt = "<｜fim▁begin｜>a = <｜fim▁hole｜>\nb<｜fim▁end｜>"
    request(engine, "POST", PATHS[0], json={"prompt": prompt})
    assert (engine.last_request.prefix, engine.last_request.suffix) == ("a = ", "\nb")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": [1]}, "prompt"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": "x"}, "logprobs"),
        ({"temperature": 2.1}, "temperature"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"echo": True}, "echo"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"stream_options": {}}, "stream_options"),
        ({"suffix": "s" * 300_000}, "prompt"),
    ],
)
def test_a_bad_value_is_a_400_in_openai_s_shape(fields: dict[str, object], param: str) -> None:
    engine = FakeEngine()
    answer = request(engine, "POST", PATHS[1], json=AREA | fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert engine.requests == []


def test_a_busy_engine_is_a_429_that_no_client_retries() -> None:
    answer = request(FakeEngine([QueueFull("full", 2000.0)]), "POST", PATHS[0], json=AREA)
    assert answer.status_code == 429
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["retry-after"] == "2"
