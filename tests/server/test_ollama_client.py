"""The real `ollama` packages of Python and npm against a real server.

A tiny model stands behind the texts that must add up, the fake engine behind awkward characters
and faults.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest

from fimserve.engine import Engine, QueueFull
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.npm import install_npm
from support.tiny_checkpoint import write_tiny_checkpoint

AREA: dict[str, Any] = {
    "model": "tiny",
    "prompt": "def area(radius):\n    return ",
    "suffix": "\n\nprint(area(2.0))\n",
    "options": {"num_predict": 24, "temperature": 0},
}
AWKWARD = ["größe = ", "\u2028", "\u2029\u0085", "😀\n"]
JS = Path(__file__).parents[1] / "clients" / "ollama_js"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the tiny model."""
    checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("served") / "tiny")
    with serve_in_thread(Engine.load(str(checkpoint), device="cpu", dtype="fp32")) as served:
        yield served


@pytest.fixture
def client(url: str) -> Iterator[ollama.Client]:
    """Return a client as people configure it."""
    with ollama.Client(host=url, timeout=20) as made:
        yield made


def test_whole_completion(client: ollama.Client) -> None:
    answer = client.generate(**AREA)
    assert answer.done
    assert answer.response
    assert answer.done_reason in ("stop", "length")
    assert answer.eval_count is not None
    assert 0 < answer.eval_count <= 24
    assert answer.total_duration is not None
    assert answer.total_duration > 0


def test_stream_adds_up_to_the_whole(client: ollama.Client) -> None:
    whole = client.generate(**AREA)
    *texts, last = client.generate(stream=True, **AREA)
    assert len(texts) > 4
    assert "".join(part.response or "" for part in texts) == whole.response
    assert not any(part.done for part in texts)
    assert (last.response, last.done, last.done_reason) == ("", True, whole.done_reason)
    assert last.eval_count == whole.eval_count


def test_raw_prompt_with_markers_is_the_same_request(client: ollama.Client) -> None:
    prompt = f"<|fim_prefix|>{AREA['prompt']}<|fim_suffix|>{AREA['suffix']}<|fim_middle|>"
    raw = client.generate(model="tiny", prompt=prompt, raw=True, options=AREA["options"])
    assert raw.response == client.generate(**AREA).response
    assert raw.prompt_eval_count == client.generate(**AREA).prompt_eval_count


def test_models_are_listed_and_shown(client: ollama.Client) -> None:
    (listed,) = client.list().models
    assert (listed.model, listed.details and listed.details.family) == ("tiny", "llama")
    assert listed.size is not None
    assert listed.size > 0
    shown = client.show("tiny")
    assert shown.capabilities == ["completion", "insert"]
    assert shown.template is not None
    assert ".Suffix" in shown.template
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 1024


def test_what_is_in_memory_is_read_by_the_client(client: ollama.Client) -> None:
    (running,) = client.ps().models
    assert running.model == client.list().models[0].model
    assert running.expires_at is not None


def test_unknown_model_is_the_client_s_own_exception(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'gpt' not found") as caught:
        client.generate(**AREA | {"model": "gpt"})
    assert caught.value.status_code == 404


def test_empty_prompt_loads_the_model(client: ollama.Client) -> None:
    assert client.generate(model="tiny").done_reason == "load"


def test_log_probabilities_are_the_client_s_own_objects(client: ollama.Client) -> None:
    answer = client.generate(logprobs=True, top_logprobs=2, **AREA)
    assert answer.logprobs
    assert all(len(entry.top_logprobs or ()) == 2 for entry in answer.logprobs)


def test_no_character_of_a_text_breaks_a_line() -> None:
    with serve_in_thread(FakeEngine(AWKWARD)) as url, ollama.Client(host=url) as client:
        parts = client.generate(model="fake-1b", prompt="x", suffix="y", stream=True)
        assert "".join(part.response or "" for part in parts) == "".join(AWKWARD)


def test_failure_inside_a_stream_raises_in_the_client() -> None:
    engine = FakeEngine(["3.14", RuntimeError("broken")])
    with serve_in_thread(engine) as url, ollama.Client(host=url) as client:
        parts = client.generate(model="fake-1b", prompt="x", suffix="y", stream=True)
        assert next(parts).response == "3.14"
        with pytest.raises(ollama.ResponseError, match="fimserve failed"):
            next(parts)


def test_full_queue_raises_once_and_is_not_retried() -> None:
    engine = FakeEngine([QueueFull("256 requests wait", 1000.0)])
    with serve_in_thread(engine) as url, ollama.Client(host=url) as client:
        with pytest.raises(ollama.ResponseError, match="256 requests wait") as caught:
            client.generate(model="fake-1b", prompt="x", suffix="y")
        assert caught.value.status_code == 503
    assert len(engine.requests) == 1


class JsClient:
    """The npm package, one process per question.

    Args:
        folder: Where the package is installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copy(JS / "ask.mjs", folder)

    def ask(self, url: str, method: str, **request: object) -> Any:
        """Return what the package's method returned, or the `error` it threw."""
        done = subprocess.run(
            ["node", "ask.mjs", url, method, json.dumps(request)],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        seen = json.loads(done.stdout)
        return seen.get("answer", seen)


@pytest.fixture(scope="module")
def js() -> JsClient:
    """Return a client of the npm package, if it can be had here."""
    return JsClient(install_npm(JS))


def test_npm_whole_and_streamed_completions_agree(js: JsClient, url: str) -> None:
    whole = js.ask(url, "generate", **AREA)
    parts = js.ask(url, "generate", stream=True, **AREA)
    assert whole["response"]
    assert "".join(part["response"] for part in parts) == whole["response"]
    assert [part["done"] for part in parts] == [False] * (len(parts) - 1) + [True]


def test_npm_shows_the_model_and_names_what_is_unknown(js: JsClient, url: str) -> None:
    assert ".Suffix" in js.ask(url, "show", model="tiny")["template"]
    error = js.ask(url, "generate", **AREA | {"model": "gpt"})["error"]
    assert error["status_code"] == 404
    assert error["message"].startswith("model 'gpt' not found")


def test_npm_takes_every_character_in_a_stream(js: JsClient) -> None:
    with serve_in_thread(FakeEngine(AWKWARD)) as url:
        parts = js.ask(url, "generate", model="fake-1b", prompt="x", suffix="y", stream=True)
    assert "".join(part["response"] for part in parts) == "".join(AWKWARD)
