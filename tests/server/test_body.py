"""Bodies that are not what they should be: refused early, in OpenAI's shape, never with a 500."""

import json
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.server import body as body_module
from fimserve.server.body import LARGE_BYTES, MAX_JSON_DEPTH
from fimserve.server.errors import BadRequest
from fimserve.server.settings import ServerSettings
from support.asgi import request
from support.fake_engine import FakeEngine

PADDING = b'{"prompt":"' + b"x" * LARGE_BYTES + b'",'
"""Beginning of a body that is long enough for the faster parser."""

SMALL = ServerSettings(max_body_bytes=1000)


def nested(depth: int) -> bytes:
    """Return a valid request whose deepest value lies at this depth."""
    value = "[" * (depth - 1) + "]" * (depth - 1)
    return f'{{"prompt":"x","extra":{value}}}'.encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"prompt":', "not valid JSON"),
        (b'{"prompt":"x",}', "line 1 column"),
        (b'{"prompt":"x"} {}', "Extra data"),
        (b"prompt=x", "not valid JSON"),
        (b'{"prompt":"\xff"}', "not UTF-8 (byte 11)"),
        ('{"prompt":"x"}'.encode("utf-16"), "not UTF-8"),
        (b'{"prompt":"x","temperature":NaN}', "NaN is no JSON number"),
        (b'{"prompt":"x","temperature":-Infinity}', "Infinity is no JSON number"),
        (b'{"prompt":"x","temperature":1e999}', "temperature is inf"),
        (b'{"prompt":"x","seed":' + b"9" * 800 + b"}", "seed is 999"),
        (b"[]", "JSON list"),
        (b'"x"', "JSON string"),
        (b"null", "JSON null"),
        (b"true", "JSON boolean"),
        (b"12.5", "JSON number"),
        (nested(MAX_JSON_DEPTH + 1), "32 levels"),
        (nested(200), "32 levels"),
        (b"[" * 900, "not valid JSON"),
    ],
)
def test_malformed_body_is_a_400(content: bytes, words: str) -> None:
    engine = FakeEngine()
    answer = request(engine, "POST", "/v1/completions", SMALL, content=content)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]
    assert len(error["message"]) < 200
    assert engine.requests == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "32 levels"),
        (b'{"prompt":"x","seed":' + b"9" * 10_000 + b"}", "too many digits"),
        (b'{"prompt":"x","seed":' + b"9" * 100_000 + b"}", "too many digits"),
        (PADDING + b'"temperature":NaN}', "NaN is no JSON number"),
        (PADDING + b'"x":"\xff"}', "not UTF-8"),
        (PADDING + b'"x":1', "line 1 column"),
        (PADDING + b'"n":1.5}', "n is 1.5"),
    ],
)
def test_body_made_to_hurt_the_parser_is_a_400(content: bytes, words: str) -> None:
    answer = request(FakeEngine(), "POST", "/v1/completions", content=content)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"prompt":"x","x":[' + b"{}," * 300_000 + b"0]}",
        b'{"prompt":"x","x":[' + b"[[],[]]," * 100_000 + b"0]}",
        b'{"prompt":"x","x":[' + b"1," * 400_000 + b"0]}",
        b'{"prompt":"x","x":[' + b'"",' * 300_000 + b"0]}",
        b'{"prompt":"x",' + b'"\\"":0,' * 140_000 + b'"y":0}',
        b'{"prompt":"\\\\","x":[' + b"{}," * 300_000 + b"0]}",
    ],
    ids=["deep", "objects", "lists", "numbers", "texts", "keys", "behind a backslash"],
)
def test_a_megabyte_of_structure_is_refused_before_it_is_parsed(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(body: bytes) -> NoReturn:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(body_module, "_parse", parse)
    assert len(content) < ServerSettings().max_body_bytes
    answer = request(FakeEngine(), "POST", "/v1/completions", content=content)
    assert answer.status_code == 400
    assert "more than 100000 values" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "prompt",
    [
        "call(a[0], {1: 2}, b)\n" * 10_000,
        '"\\",[{' * 30_000,
        "\\" * 200_000 + "[" * 30_000,
    ],
    ids=["code", "quotes", "backslashes"],
)
def test_text_full_of_brackets_is_text(prompt: str) -> None:
    engine = FakeEngine()
    answer = request(engine, "POST", "/v1/completions", json={"prompt": prompt})
    assert answer.status_code == 200, answer.text
    assert engine.last_request.prefix == prompt


def test_a_body_of_thousands_of_fields_is_refused() -> None:
    body = {"prompt": "x"} | {f"field{number}": 1 for number in range(1000)}
    answer = request(FakeEngine(), "POST", "/v1/completions", json=body)
    assert answer.status_code == 400
    assert "1001 entries; the limit is 1000" in answer.json()["error"]["message"]


def test_the_longest_prompt_of_token_ids_is_no_structure() -> None:
    body = {"prompt": list(range(200)) * 300}
    assert request(FakeEngine(), "POST", "/tokenize", json={"content": "x"} | body).is_success


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=200, deadline=None)
@given(value=JSON, cut=st.integers(0, 5), is_ascii=st.booleans())
def test_a_large_body_is_read_as_a_small_one_is(value: object, cut: int, is_ascii: bool) -> None:
    """The faster parser finds the same value, or what is wrong is said in the same words."""
    small = json.dumps({"x": value}, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    small = small[: len(small) - cut]
    assert try_to_parse(small + b" " * LARGE_BYTES) == try_to_parse(small + b" ")


def try_to_parse(body: bytes) -> str:
    """Return what a body holds, or what is wrong with it, whatever its length."""
    try:
        return repr(body_module._parse(body))
    except BadRequest as error:
        return error.message.partition(" line ")[0]


def test_half_of_a_surrogate_pair_reaches_the_engine() -> None:
    engine = FakeEngine()
    answer = request(engine, "POST", "/v1/completions", content=b'{"prompt":"x\\ud83d"}')
    assert answer.status_code == 200
    assert engine.last_request.prefix == "x\ud83d"


@pytest.mark.parametrize("field", ["model", "path", "language", "order", "stop", "session"])
def test_half_of_a_surrogate_pair_breaks_nothing_anywhere(field: str) -> None:
    content = f'{{"prompt":"x","{field}":"\\ud83d"}}'.encode()
    answer = request(FakeEngine(), "POST", "/v1/completions", content=content)
    assert answer.status_code in (200, 400, 404)


def test_body_at_the_greatest_depth_is_accepted() -> None:
    answer = request(FakeEngine(), "POST", "/v1/completions", content=nested(MAX_JSON_DEPTH))
    assert answer.status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "?"])
def test_content_type_is_not_looked_at(content_type: str) -> None:
    answer = request(
        FakeEngine(),
        "POST",
        "/v1/completions",
        content=b'{"prompt":"x"}',
        headers={"content-type": content_type},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(("num_bytes", "status"), [(1000, 200), (1001, 413)])
def test_cap_on_the_body_is_exact(num_bytes: int, status: int) -> None:
    body = json.dumps({"prompt": "x", "pad": ""}).encode()
    content = body.replace(b'""', b'"' + b"p" * (num_bytes - len(body)) + b'"')
    assert len(content) == num_bytes
    answer = request(FakeEngine(), "POST", "/v1/completions", SMALL, content=content)
    assert answer.status_code == status
    if status == 413:
        error = answer.json()["error"]
        assert error["code"] == "body_too_large"
        assert "1001" in error["message"]
        assert "1000" in error["message"]


def test_endless_body_is_refused_while_it_is_being_read() -> None:
    num_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal num_sent
        while True:
            num_sent += 1
            yield b" " * 300

    answer = request(FakeEngine(), "POST", "/v1/completions", SMALL, content=endless())
    assert answer.status_code == 413
    assert num_sent == 4


def test_announced_length_is_refused_before_anything_is_read() -> None:
    num_sent = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal num_sent
        num_sent += 1
        yield b"{}"

    answer = request(
        FakeEngine(),
        "POST",
        "/v1/completions",
        SMALL,
        content=counted(),
        headers={"content-length": "1001"},
    )
    assert answer.status_code == 413
    assert num_sent == 0
