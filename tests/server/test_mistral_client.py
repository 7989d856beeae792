"""The real `mistralai` client, in Python and from npm, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import HTTPValidationError, SDKError

from fimserve.engine import Engine, QueueFull
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.node_client import NodeClient
from support.tiny_checkpoint import write_tiny_checkpoint

AREA: dict[str, Any] = {
    "model": "codestral-latest",
    "prompt": "def area(radius):\n    return ",
    "suffix": "\n\nprint(area(2.0))\n",
    "max_tokens": 24,
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a tiny model that never ends by itself and return the address."""
    checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("served") / "tiny", endless=True)
    engine = Engine.load(str(checkpoint), device="cpu", dtype="fp32")
    with serve_in_thread(engine) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Mistral]:
    with Mistral(server_url=url, api_key="unused", timeout_ms=20_000) as made:
        yield made


def complete(client: Mistral, **fields: object) -> str:
    content = client.fim.complete(**(AREA | fields)).choices[0].message.content  # type: ignore[union-attr]
    assert isinstance(content, str)
    return content


def test_whole_completion(client: Mistral) -> None:
    answer = client.fim.complete(**AREA)
    assert answer.model == "tiny"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 24
    assert complete(client)


def test_stream_adds_up_to_the_whole(client: Mistral) -> None:
    with client.fim.stream(**AREA) as events:
        chunks = [event.data for event in events]
    texts = [chunk.choices[0].delta.content for chunk in chunks]
    assert "".join(map(str, texts)) == complete(client)
    assert len(chunks) > 5
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 24


@pytest.mark.parametrize("as_list", [True, False])
def test_stops_end_the_text_and_are_no_part_of_it(client: Mistral, as_list: bool) -> None:
    whole = complete(client)
    stop = whole[5:7]
    cut = complete(client, stop=[stop, "never there"] if as_list else stop)
    assert cut == whole[: whole.index(stop)]


def test_the_same_seed_gives_the_same_text(client: Mistral) -> None:
    texts = {complete(client, temperature=1.5, random_seed=seed) for seed in (5, 5, 6)}
    assert len(texts) == 2


def test_a_missing_prompt_is_the_client_s_own_exception(client: Mistral) -> None:
    # The signature forbids to leave it out; its JSON null is what is left.
    with pytest.raises(HTTPValidationError) as caught:
        client.fim.complete(model="codestral-latest", prompt="x", temperature=9)
    (problem,) = caught.value.data.detail or []
    assert problem.loc == ["body", "temperature"]
    answer = client.sdk_configuration.client.post(  # type: ignore[union-attr]
        f"{client.sdk_configuration.server_url}/v1/fim/completions",
        json={"model": "codestral-latest"},
    )
    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {"loc": ["body", "prompt"], "msg": "field required", "type": "missing"}
    ]


def test_a_busy_server_is_told_apart() -> None:
    with (
        serve_in_thread(FakeEngine([QueueFull("full", 1.0)])) as url,
        Mistral(server_url=url, api_key="unused") as busy,
        pytest.raises(SDKError) as caught,
    ):
        busy.fim.complete(**AREA)
    assert caught.value.status_code == 429
    assert caught.value.headers["retry-after"] == "1"


def test_a_failure_inside_a_stream_ends_it_in_words_that_pass_the_client_s_checks() -> None:
    engine = FakeEngine(["3.14", RuntimeError("broken")])
    with (
        serve_in_thread(engine) as url,
        Mistral(server_url=url, api_key="unused") as client,
        client.fim.stream(**AREA) as events,
    ):
        reasons = [event.data.choices[0].finish_reason for event in events]
    assert reasons == [None, None, "error"]


def test_the_npm_package_reads_the_same(client: Mistral, url: str) -> None:
    js = NodeClient("mistral_js")
    asked = {"model": "x", "prompt": AREA["prompt"], "suffix": AREA["suffix"], "maxTokens": 24}
    whole, streamed, refused = js.ask(
        url, asked, asked | {"stream": True}, asked | {"temperature": 9}
    )
    expected = complete(client)
    assert whole["answer"]["choices"][0]["message"]["content"] == expected
    assert whole["answer"]["usage"]["completionTokens"] == 24
    texts = [chunk["choices"][0]["delta"]["content"] for chunk in streamed["answer"]]
    assert "".join(texts) == expected
    assert streamed["answer"][-1]["choices"][0]["finishReason"] == "length"
    assert refused["error"]["kind"] == "HTTPValidationError"
    assert refused["error"]["statusCode"] == 422
