"""The real `openai` client against a real server: tiny model for text, fake engine for faults."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from fimserve.engine import Engine, EngineClosed, QueueFull
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.node_client import NodeClient
from support.tiny_checkpoint import write_tiny_checkpoint

AREA: dict[str, Any] = {
    "prompt": "def area(radius):\n    return ",
    "suffix": "\n\nprint(area(2.0))\n",
}
"""The tiny model's nonsense for this is longer than 24 tokens."""


def make_client(url: str) -> openai.OpenAI:
    """Return a client as people configure it, without retries."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """Serve the tiny model and return a client of it."""
    checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("served") / "tiny")
    engine = Engine.load(str(checkpoint), device="cpu", dtype="fp32")
    with serve_in_thread(engine) as url, make_client(url) as made:
        yield made


def test_whole_completion(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="tiny", max_tokens=8, temperature=0, **AREA)
    assert answer.object == "text_completion"
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_adds_up_to_the_whole(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 24, "temperature": 0, **AREA}
    whole = client.completions.create(**asked)
    chunks = list(
        client.completions.create(stream=True, stream_options={"include_usage": True}, **asked)
    )
    *texts, usage = chunks
    assert len(texts) > 4
    assert "".join(chunk.choices[0].text for chunk in texts) == whole.choices[0].text
    assert [chunk.choices[0].finish_reason for chunk in texts[:-1]] == [None] * (len(texts) - 1)
    assert texts[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert usage.choices == []
    assert usage.usage is not None
    assert whole.usage is not None
    assert usage.usage.total_tokens == whole.usage.total_tokens
    assert len({chunk.id for chunk in chunks}) == 1


def test_same_seed_gives_the_same_text(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "tiny",
        "max_tokens": 8,
        "temperature": 1.0,
        "seed": -3,
        **AREA,
    }
    texts = {client.completions.create(**asked).choices[0].text for _ in range(2)}
    assert len(texts) == 1


def test_empty_suffix_fills_in_and_no_suffix_continues(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "tiny",
        "prompt": AREA["prompt"],
        "max_tokens": 1,
        "temperature": 0,
    }
    infilled = client.completions.create(suffix="", **asked)
    continued = client.completions.create(**asked)
    assert infilled.usage is not None
    assert continued.usage is not None
    # The markers of the middle are what the two prompts differ by.
    assert infilled.usage.prompt_tokens == continued.usage.prompt_tokens + 3


def test_second_keystroke_of_a_session_reuses_the_first(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "tiny",
        "suffix": AREA["suffix"],
        "max_tokens": 1,
        "temperature": 0,
    }
    extra = {"session": "doc-1", "order": "spm"}
    client.completions.create(prompt=AREA["prompt"], extra_body=extra, **asked)
    second = client.completions.create(prompt=AREA["prompt"] + "3", extra_body=extra, **asked)
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    assert second.usage.prompt_tokens_details.cached_tokens > 10


def test_stop_string_ends_the_text_and_is_no_part_of_it(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 24, "temperature": 0, **AREA}
    whole = client.completions.create(**asked).choices[0].text
    assert len(whole) > 8
    stop = whole[5:7]
    stopped = client.completions.create(stop=[stop], **asked).choices[0]
    assert stopped.text == whole[: whole.index(stop)]
    assert stopped.finish_reason == "stop"


def test_models_can_be_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("fimserve").id == "fimserve"


@pytest.mark.parametrize(
    ("wrong", "error_type", "words"),
    [
        ({"temperature": 3}, openai.BadRequestError, "temperature is 3"),
        ({"n": 9}, openai.BadRequestError, "n is 9"),
        ({"logprobs": "many"}, openai.BadRequestError, "logprobs is 'many'"),
        ({"prompt": [1, -2]}, openai.BadRequestError, "token id is -2"),
        ({"model": "gpt-4"}, openai.NotFoundError, "gpt-4"),
    ],
)
def test_refusals_are_the_client_s_own_exceptions(
    client: openai.OpenAI,
    wrong: dict[str, object],
    error_type: type[openai.APIStatusError],
    words: str,
) -> None:
    with pytest.raises(error_type, match=words) as caught:
        client.completions.create(**({"model": "tiny", **AREA} | wrong))
    assert [caught.value.param] == list(wrong)
    assert caught.value.code
    assert caught.value.request_id


def test_failure_inside_a_stream_raises_in_the_client() -> None:
    engine = FakeEngine(["3.14", RuntimeError("broken")])
    with serve_in_thread(engine) as url, make_client(url) as client:
        stream = client.completions.create(model="fake-1b", stream=True, **AREA)
        assert next(stream).choices[0].text == "3.14"
        with pytest.raises(openai.APIError, match="fimserve failed"):
            next(stream)


def test_several_choices_come_whole_and_streamed(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "tiny", "max_tokens": 12, "temperature": 1.0, "seed": 4, "n": 2, **AREA,
    }  # fmt: skip
    whole = client.completions.create(**asked)
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert whole.choices[0].text != whole.choices[1].text
    streamed = ["", ""]
    for chunk in client.completions.create(stream=True, **asked):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert streamed == [choice.text for choice in whole.choices]


def test_log_probabilities_of_a_stream_are_those_of_the_whole(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "tiny", "max_tokens": 12, "temperature": 0, "logprobs": 2, **AREA,
    }  # fmt: skip
    whole = client.completions.create(**asked).choices[0].logprobs
    assert whole is not None
    chunks = list(client.completions.create(stream=True, **asked))
    told = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    for name in ("tokens", "token_logprobs", "text_offset", "top_logprobs"):
        joined = [value for lists in told for value in getattr(lists, name) or []]
        if name == "text_offset":
            assert joined == whole.text_offset
        else:
            assert len(joined) == len(getattr(whole, name))
    assert whole.text_offset == sorted(whole.text_offset or [])
    assert len(whole.top_logprobs or []) == len(whole.tokens or [])


def test_headers_are_in_reach(client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(model="tiny", max_tokens=2, **AREA)
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"]
    assert raw.parse().choices[0].text


def test_token_ids_are_a_prompt(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 8, "temperature": 0}
    by_text = client.completions.create(prompt=AREA["prompt"], suffix=AREA["suffix"], **asked)
    found = httpx.post(
        f"{client.base_url}".replace("/v1/", "/tokenize"), json={"content": AREA["prompt"]}
    )
    token_ids = found.json()["tokens"]
    for prompt in (token_ids, [token_ids]):
        by_ids = client.completions.create(prompt=prompt, suffix=AREA["suffix"], **asked)
        assert by_ids.choices[0].text == by_text.choices[0].text


def test_deepseek_s_address_is_one_of_the_same_client_s(client: openai.OpenAI) -> None:
    beta = client.with_options(base_url=f"{client.base_url}".replace("/v1/", "/beta"))
    answer = beta.completions.create(model="deepseek-coder", max_tokens=8, temperature=0, **AREA)
    usage = answer.usage
    assert usage is not None
    hits, misses = usage.prompt_cache_hit_tokens, usage.prompt_cache_miss_tokens  # type: ignore[attr-defined]
    assert hits + misses == usage.prompt_tokens


@pytest.mark.parametrize("error", [QueueFull("full", 1.0), EngineClosed("closed")])
def test_the_client_does_not_retry_what_would_come_too_late(error: Exception) -> None:
    engine = FakeEngine([error])
    with serve_in_thread(engine) as url:
        retrying = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")  # twice, as it ships
        with retrying, pytest.raises(openai.APIStatusError) as caught:
            retrying.completions.create(model="fake-1b", **AREA)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(engine.requests) == 1


def test_the_npm_package_reads_the_same(client: openai.OpenAI) -> None:
    js = NodeClient("openai_js")
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 12, "temperature": 0, **AREA}
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    whole, streamed, refused = js.ask(
        f"{client.base_url}", asked, asked | usage, asked | {"logprobs": "many"}
    )
    expected = client.completions.create(**asked).choices[0].text
    assert whole["answer"]["choices"][0]["text"] == expected
    *chunks, counts = streamed["answer"]
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == expected
    assert counts["usage"] == whole["answer"]["usage"]
    assert refused["error"]["kind"] == "BadRequestError"
    assert (refused["error"]["status"], refused["error"]["param"]) == (400, "logprobs")


def test_the_npm_package_retries_nothing_and_raises_inside_streams() -> None:
    js = NodeClient("openai_js")
    asked: dict[str, Any] = {"model": "fake-1b", **AREA}
    engine = FakeEngine([QueueFull("full", 1.0)])
    with serve_in_thread(engine) as url:
        (busy,) = js.ask(f"{url}/v1", asked)
        assert len(engine.requests) == 1
        engine.script = ("3.14", RuntimeError("broken"))
        (broken,) = js.ask(f"{url}/v1", asked | {"stream": True})
    assert busy["error"]["kind"] == "RateLimitError"
    assert [part["choices"][0]["text"] for part in broken["parts"]] == ["3.14"]
    assert "fimserve failed" in broken["error"]["message"]


def test_body_above_the_cap_gets_its_answer_over_a_real_socket() -> None:
    with serve_in_thread(FakeEngine()) as url, httpx.Client() as client:
        answer = client.post(f"{url}/v1/completions", json={"prompt": "x" * 3_000_000})
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "body_too_large"
        # The same connection goes on working.
        assert client.get(f"{url}/health").status_code == 200


def test_chunked_body_above_the_cap_gets_its_answer_over_a_real_socket() -> None:
    pieces = (b" " * 65_536 for _ in range(40))
    with serve_in_thread(FakeEngine()) as url, httpx.Client() as client:
        answer = client.post(f"{url}/v1/completions", content=pieces)
        assert answer.status_code == 413
