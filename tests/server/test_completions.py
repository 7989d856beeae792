"""Whose body a `POST /v1/completions` is: told by its keys, whatever else it holds."""

import random

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, Response

from fimserve.server.routes.completions import choose_dialect
from support.asgi import post, request
from support.fake_engine import FakeEngine

SEGMENTS = {"prefix": "def f(x):\n    return "}
TABBY = "fimserve.server.routes.tabby"


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"segments": SEGMENTS}, "tabby"),
        ({"segments": {}}, "tabby"),
        ({"segments": SEGMENTS, "prompt": "x"}, "tabby"),
        ({"segments": SEGMENTS, "model": "m", "suffix": ""}, "tabby"),
        ({"segments": None, "prompt": "x"}, "openai"),
        ({"segments": [], "prompt": "x"}, "openai"),
        ({"prompt": "x"}, "openai"),
        ({"prompt": "", "language": "python", "user": "u"}, "openai"),
        ({"prompt": [1, 2]}, "openai"),
        ({"prompt": "x", "debug_options": {"raw_prompt": "y"}}, "openai"),
        ({"debug_options": {"raw_prompt": "y"}}, "tabby"),
        ({"debug_options": {"raw_prompt": "y"}, "model": "m"}, "tabby"),
        ({"debug_options": {"raw_prompt": None}}, "openai"),
        ({"debug_options": {}, "language": "python"}, "tabby"),
        ({"language": "python"}, "tabby"),
        ({"mode": "standard"}, "tabby"),
        ({"user": "u"}, "tabby"),
        ({"user": "u", "model": "m"}, "openai"),
        ({"user": "u", "model": None}, "tabby"),
        ({"user": None}, "openai"),
        ({"prompt": None, "model": "m"}, "openai"),
        ({}, "openai"),
    ],
)
def test_a_body_s_dialect(body: dict[str, object], dialect: str) -> None:
    assert choose_dialect(body) == dialect


VALUES = (
    st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
KEYS = st.sampled_from(
    ["prompt", "suffix", "model", "mode", "language", "user", "stream", "temperature", "x"]
)


@given(
    keys=st.sets(KEYS),
    has_segments=st.booleans(),
    has_raw_prompt=st.booleans(),
    nulls=st.sets(KEYS),
    data=st.data(),
)
def test_only_the_keys_decide(
    keys: set[str], has_segments: bool, has_raw_prompt: bool, nulls: set[str], data: st.DataObject
) -> None:
    def make_body() -> dict[str, object]:
        body: dict[str, object] = {key: data.draw(VALUES) for key in keys}
        if has_segments:
            body["segments"] = data.draw(st.dictionaries(st.text(max_size=3), VALUES, max_size=2))
        if has_raw_prompt:
            body["debug_options"] = {"raw_prompt": data.draw(VALUES)}
        return body

    def shuffled(body: dict[str, object]) -> dict[str, object]:
        items = list(body.items())
        random.Random(data.draw(st.integers(0, 9))).shuffle(items)
        return dict(items)

    first, second = make_body(), make_body()
    decision = choose_dialect(first)
    assert choose_dialect(second) == decision
    assert choose_dialect(shuffled(first)) == decision
    assert choose_dialect(first | dict.fromkeys(nulls - keys)) == decision


@pytest.fixture
def tabby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Tabby's dialect say what it was given."""

    async def complete(request: Request, body: dict[str, object]) -> Response:
        return JSONResponse({"got": sorted(body)})

    monkeypatch.setattr("fimserve.server.routes.tabby.complete", complete)


def test_a_body_of_tabby_s_goes_to_tabby_s_dialect(tabby: None) -> None:
    body = {"segments": SEGMENTS, "language": "python"}
    assert post(FakeEngine(), body).json() == {"got": ["language", "segments"]}


def test_a_mount_of_one_dialect_does_not_guess(tabby: None) -> None:
    body = {"segments": SEGMENTS, "prompt": "x"}
    answer = request(FakeEngine(), "POST", "/openai/v1/completions", json=body)
    assert answer.json()["object"] == "text_completion"


def test_a_body_without_a_prompt_is_refused_by_openai_s_dialect() -> None:
    for path in ("/v1/completions", "/openai/v1/completions"):
        answer = request(FakeEngine(), "POST", path, json={"model": "fake-1b"})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "prompt"


def test_models_are_listed_under_the_mount_too() -> None:
    for path in ("/openai/v1/models", "/openai/v1/models/fake-1b"):
        assert request(FakeEngine(), "GET", path).status_code == 200
