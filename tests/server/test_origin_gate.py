"""A page that a programmer opens cannot act through the browser; the playground and editors can."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fimserve.server.settings import ServerSettings, ServerSettingsError
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
        assert answer.json()["error"]["code"] in ("foreign_origin", "foreign_host")
    return answer.status_code


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "127.0.0.1"),
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


@pytest.mark.parametrize("path", ["/health", "/", "/v1/models", "/openapi.json", "/slots"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_without_keys_nothing_is_read_under_a_name_that_leads_here(method: str, path: str) -> None:
    answer = request(FakeEngine(), method, path, headers={"host": "evil.example:8111"})
    assert answer.status_code == 403
    assert "fake-1b" not in answer.text


@pytest.mark.parametrize(
    ("path", "code_of"),
    [
        ("/v1/models", lambda body: body["error"]["code"]),
        ("/props", lambda body: body["error"]["type"]),
        ("/api/tags", lambda body: body["error"]),
    ],
)
def test_a_foreign_host_is_refused_in_the_caller_s_shape(
    path: str, code_of: Callable[[dict[str, Any]], object]
) -> None:
    answer = request(FakeEngine(), "GET", path, headers={"host": "evil.example"})
    assert answer.status_code == 403
    assert code_of(answer.json())


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8111", "localhost.:8111", "code.localhost", "127.0.0.1",
        "127.9.9.9", "[::1]:8111", "dev-box:8111", "code.example", "Code.Example:443",
    ],
)  # fmt: skip
def test_names_of_this_machine_and_those_of_the_operator_are_answered(host: str) -> None:
    settings = ServerSettings(host="dev-box", allowed_hosts=("code.example",))
    assert request(FakeEngine(), "GET", "/v1/models", settings, headers={"host": host}).is_success


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost",
     "localhost@evil.example", "evil.example#localhost", "evil.example/localhost", "[::1",
     "2130706433", "0.0.0.0", "192.168.0.1"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    answer = request(FakeEngine(), "GET", "/v1/models", headers={"host": host})
    assert answer.status_code == 403


def test_with_keys_any_name_will_do(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    headers = bearer(add_key(path)) | {"host": "code.example"}
    settings = ServerSettings(keys=path)
    assert request(FakeEngine(), "GET", "/v1/models", settings, headers=headers).is_success


def test_a_page_at_a_named_host_is_the_service_s_own() -> None:
    settings = ServerSettings(allowed_hosts=("code.example",))
    assert post("https://code.example", "code.example", settings) == 200
    assert post("https://other.example", "code.example", settings) == 403


@pytest.mark.parametrize("name", ["*", "https://code.example", "a b", ""])
def test_what_is_no_host_name_is_no_setting(name: str) -> None:
    with pytest.raises(ServerSettingsError, match="allowed_hosts"):
        ServerSettings(allowed_hosts=(name,))
