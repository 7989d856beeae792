"""What goes to the server, and what its answers mean."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fimserve.lsp.completion_client import (
    CompletionClient,
    Delivery,
    ServerDown,
    ServerRefused,
    Suggestion,
)
from fimserve.lsp.options import LspOptions
from fimserve.lsp.surroundings import Question, Surroundings
from fimserve.telemetry.experiments import Arm
from support.completions_server import Answer, CompletionsServer, openai_body, serve_completions
from support.experiments import make_plan, open_watch
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread

QUESTION = Question(Surroundings("x = ", "\n"), "src/a.py", "python", "s1", "r1")


def ask(url: str, question: Question = QUESTION, **options: Any) -> Suggestion | None:
    """Return what a server answers."""

    async def call() -> Suggestion | None:
        client = CompletionClient(LspOptions(url=url, **options))
        try:
            return await client.complete(question)
        finally:
            await client.aclose()

    return asyncio.run(call())


def test_an_arm_is_told_to_events_and_the_user_to_the_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    arms = (Arm("all", 1.0, adapter="ours"),)
    watch = open_watch(url, start=(make_plan(arms=arms).to_json(),))
    engine = FakeEngine()
    with serve_in_thread(engine, experiments=watch) as address:
        suggestion = ask(address, user="Jürgen")
        assert suggestion is not None
        nobody = ask(address)
    assert nobody is not None
    assert engine.requests[0].adapter == "ours"
    assert {"experiment": "test", "arm": "all", "assigned_arm": "all"}.items() <= dict(
        suggestion.facts
    ).items()
    assert len(str(suggestion.facts["user_hash"])) == 32
    assert "arm" not in nobody.facts


def test_answer_of_a_real_server_is_understood() -> None:
    engine = FakeEngine()
    with serve_in_thread(engine) as url:
        suggestion = ask(f"{url}/v1/", multiline=False, max_tokens=7)
    assert suggestion is not None
    assert suggestion.text == "3.14159 * r * r"
    assert suggestion.completion_id.startswith("cmpl-")
    assert suggestion.facts == {
        "model": "fake-1b",
        "finish_reason": "stop",
        "prompt_tokens": 19,
        "cached_tokens": 12,
        "completion_tokens": 9,
        "queue_ms": 0.5,
    }
    asked = engine.last_request
    assert (asked.prefix, asked.suffix, asked.path, asked.language) == (
        "x = ", "\n", "src/a.py", "python",
    )  # fmt: skip
    assert (asked.session, asked.max_tokens, asked.multiline, asked.temperature) == (
        "s1", 7, False, 0.0,
    )  # fmt: skip


def test_half_a_surrogate_pair_reaches_a_real_server() -> None:
    engine = FakeEngine()
    with serve_in_thread(engine) as url:
        assert ask(url, Question(Surroundings("\ud83d", "\n"), None, "python", "s", "r"))
    assert engine.last_request.prefix == "\ud83d"


def serve(answer: Answer) -> Any:
    """Serve canned answers."""
    return serve_completions(answer)


def test_what_is_unset_is_left_out_and_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server: CompletionsServer
    with serve(lambda body: (200, openai_body("1"))) as server:
        ask(server.url, api_key="secret")
        ask(server.url)
    assert server.keys == ["Bearer secret", None]
    assert set(server.bodies[0]) == {
        "prompt", "suffix", "path", "language", "session", "max_tokens", "temperature",
    }  # fmt: skip


@pytest.mark.parametrize("status", [499, 429, 503])
def test_server_that_has_no_time_has_no_answer(status: int) -> None:
    with serve(lambda body: (status, {})) as server:
        assert ask(server.url) is None


@pytest.mark.parametrize(
    ("status", "content", "error", "words"),
    [
        (401, {"error": {"message": "no such key"}}, ServerRefused, r"no such key \(401\)"),
        (404, "nothing here", ServerRefused, "404"),
        (200, "<html>", ServerRefused, "no choices"),
        (200, {"choices": []}, ServerRefused, "no choices"),
        (500, {}, ServerDown, "500"),
        (502, "", ServerDown, "502"),
    ],
)
def test_refusals_and_failures_are_told_apart(
    status: int, content: Any, error: type[Exception], words: str
) -> None:
    with serve(lambda body: (status, content)) as server, pytest.raises(error, match=words):
        ask(server.url)


def test_server_that_is_away_is_down() -> None:
    with pytest.raises(ServerDown, match="ConnectError"):
        ask("http://127.0.0.1:9")


def test_warm_up_writes_nothing_and_waits_behind_others() -> None:
    engine = FakeEngine()

    async def call(url: str) -> None:
        client = CompletionClient(LspOptions(url=url))
        await client.warm_up(QUESTION)
        await client.aclose()

    with serve_in_thread(engine) as url:
        asyncio.run(call(url))
    asked = engine.last_request
    assert (asked.max_tokens, asked.priority, asked.session) == (0, "background", "s1")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "done"), (400, "never"), (404, "never"), (413, "never"),
        (401, "later"), (429, "later"), (500, "later"), (503, "later"),
    ],
)  # fmt: skip
def test_fate_of_events_follows_the_status(status: int, outcome: Delivery) -> None:
    async def call(url: str) -> Delivery:
        client = CompletionClient(LspOptions(url=url))
        try:
            return await client.send_events([{"id": "e1"}])
        finally:
            await client.aclose()

    with serve(lambda body: (status, {})) as server:
        assert asyncio.run(call(server.url)) == outcome
    assert server.paths == ["/v1/events"]
    assert server.bodies == [{"events": [{"id": "e1"}]}]
    assert asyncio.run(call("http://127.0.0.1:9")) == "later"
