"""A page that a programmer opens cannot act through the browser; the playground and editors can."""

from pathlib import Path

import pytest

from fimserve.server.settings import ServerSettings
from support.asgi import request
from support.fake_engine import FakeEngine
from support.keys import add_key, bearer

BODY = {"prompt": "x"}
LOCAL_PAGE = "http://127.0.0.1:8111"


def post(origin: str | None, host: str, settings: ServerSettings | None = None) -> int:
    """Return the status of a completion that a page asks for."""
    headers = {"host": host} | ({"origin": origin} if origin is not None else {})
    answer = request(FakeEngine(), "POST", "/v1/completions", settings, json=BODY, headers=headers)
    if answer.status_code == 403:
        assert answer.json()["error"]["code"] == "foreign_origin"
    return answer.status_code


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "anything"),
        (LOCAL_PAGE, "127.0.0.1:8111"),
        ("http://localhost:8111", "localhost:8111"),
        ("http://[::1]:8111", "[::1]:8111"),
    ],
)
def test_editors_and_own_pages_may_ask(origin: str | None, host: str) -> None:
    assert post(origin, host) == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "127.0.0.1:8111"),
        ("null", "127.0.0.1:8111"),
        ("", "127.0.0.1:8111"),
        ("http://127.0.0.1:9999", "127.0.0.1:8111"),
        ("http://[broken", "127.0.0.1:8111"),
        # A name of the attacker's that leads here: page and host agree.
        ("http://evil.example:8111", "evil.example:8111"),
    ],
)
def test_pages_of_others_may_not(origin: str, host: str) -> None:
    assert post(origin, host) == 403


def test_a_named_origin_may() -> None:
    settings = ServerSettings(cors_origins=("https://editor.example",))
    assert post("https://editor.example", "127.0.0.1:8111", settings) == 200
    assert post("https://other.example", "127.0.0.1:8111", settings) == 403


def test_with_keys_the_service_s_own_page_may_have_any_name(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json")
    headers = bearer(key) | {"origin": "https://fim.corp", "host": "fim.corp"}
    settings = ServerSettings(keys=tmp_path / "keys.json")
    answer = request(FakeEngine(), "POST", "/v1/completions", settings, json=BODY, headers=headers)
    assert answer.status_code == 200
