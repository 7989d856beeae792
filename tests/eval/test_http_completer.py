"""The HTTP completer against a real server on this machine."""

from typing import Any

import pytest

from fimeval.completer import Completion, EvalPrompt
from fimeval.errors import CompleterError
from fimeval.http_completer import HttpCompleter, find_completions_url
from support.completions_server import openai_body, serve_completions

PROMPT = EvalPrompt("def f(x):\n", "\nprint(f(1))", "python", None, 64)


def test_prompt_and_answer_cross_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIMSERVE_API_KEY", raising=False)
    with (
        serve_completions(lambda body: (200, openai_body("    return x\n", "length"))) as server,
        HttpCompleter(server.url, "some-model") as complete,
    ):
        answer = complete(PROMPT)
    assert answer == Completion("    return x\n", "length", 11, 5)
    assert server.paths == ["/v1/completions"]
    assert server.keys == [None]
    assert server.bodies == [
        {
            "model": "some-model",
            "prompt": "def f(x):\n",
            "suffix": "\nprint(f(1))",
            "max_tokens": 64,
            "temperature": 0,
            "stream": False,
        }
    ]


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIMSERVE_API_KEY", "k1")
    with (
        serve_completions(lambda body: (200, openai_body(""))) as server,
        HttpCompleter(server.url, "m") as complete,
    ):
        complete(PROMPT)
    assert server.keys == ["Bearer k1"]


@pytest.mark.parametrize(
    ("status", "value", "message"),
    [
        (400, {"error": {"message": "suffix is not currently supported"}}, "suffix is not curr"),
        (429, "slow down", "status 429: slow down"),
        (200, "<html>", "no OpenAI completion"),
        (200, {"choices": []}, "no OpenAI completion"),
        (200, {"choices": [{"text": None, "finish_reason": "stop"}]}, "text is NoneType"),
        (200, [1], "no OpenAI completion"),
        (200, openai_body("x", "cancelled"), "finish_reason is 'cancelled'"),
    ],
)
def test_what_is_no_completion_is_an_error_that_quotes_it(
    status: int, value: Any, message: str
) -> None:
    with (
        serve_completions(lambda body: (status, value)) as server,
        HttpCompleter(server.url, "m") as complete,
        pytest.raises(CompleterError, match=message),
    ):
        complete(PROMPT)


def test_a_server_that_is_not_there_is_named() -> None:
    with serve_completions(lambda body: (200, openai_body(""))) as server:
        url = server.url
    with HttpCompleter(url, "m") as complete, pytest.raises(CompleterError, match=url):
        complete(PROMPT)


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/completions"])
def test_any_usual_form_of_the_address_will_do(path: str) -> None:
    assert find_completions_url(f"http://h:1{path}") == "http://h:1/v1/completions"


def test_an_address_behind_a_path_keeps_it() -> None:
    assert find_completions_url("https://h/team/v1") == "https://h/team/v1/completions"


def test_an_address_without_scheme_is_refused() -> None:
    with pytest.raises(CompleterError, match="must begin with http"):
        find_completions_url("localhost:8000")
