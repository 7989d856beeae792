"""The real `openai` client against a real server: tiny model for text, fake engine for faults."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from fimserve.engine import Engine
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
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
