"""With keys, no route answers without one: those that exist, those to come, those that do not."""

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from fimserve.server import app as app_module
from fimserve.server.access import Access
from fimserve.server.api_key import Scope
from fimserve.server.app import make_app
from fimserve.server.failed_attempts import SAVED_UP
from fimserve.server.key_file import KeyFile
from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine
from support.keys import add_key, bearer

COMPLETION = {"prompt": "def area(radius):"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    add_key(path, "first")
    return path


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def client(engine: FakeEngine, keys: Path) -> Iterator[TestClient]:
    settings = ServerSettings(keys=keys, failures_per_s=0)  # some tests fail a hundred times
    with TestClient(make_app(engine, settings), "http://localhost") as client:
        yield client


def list_operations(client: TestClient) -> list[tuple[str, str]]:
    """Return method and path of everything in the OpenAPI document."""
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    return [(method.upper(), path) for path, item in paths.items() for method in item]


def test_every_route_but_the_public_ones_asks_for_a_key(client: TestClient) -> None:
    operations = list_operations(client)
    assert len(operations) >= 8
    open_ones = {
        (method, path)
        for method, path in operations
        if client.request(method, path.replace("{", "").replace("}", "")).status_code != 401
    }
    assert ("GET", "/health") in open_ones
    # The page at / and its files are public; whatever completes, counts or changes is not.
    assert {method for method, _ in open_ones} <= {"GET"}
    assert not any(path.startswith(("/v1", "/api", "/metrics", "/ready")) for _, path in open_ones)


@pytest.mark.parametrize("path", ["/openapi.json", "/nowhere", "/health/x", "/v1"])
def test_what_is_no_route_asks_for_a_key_too(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/health"])
def test_public_paths_are_public_for_reading_only(
    client: TestClient, method: str, path: str
) -> None:
    assert client.request(method, path).status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/health"])
def test_public_paths_ask_for_no_key(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code in (200, 404)


def test_a_route_that_nobody_thought_of_is_guarded(
    engine: FakeEngine, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter(tags=["late"])

    @router.get("/late")
    async def get_late() -> str:
        return "reached"

    shapes = {"/late": lambda error: PlainTextResponse(error.code, error.status)}
    late = SimpleNamespace(router=router, ERROR_SHAPES=shapes)
    monkeypatch.setattr(app_module, "ROUTES", (*app_module.ROUTES, late))
    client = TestClient(make_app(engine, ServerSettings(keys=keys)), "http://localhost")
    refused = client.get("/late")
    assert (refused.status_code, refused.text) == (401, "missing_api_key")
    assert client.get("/late", headers=bearer(add_key(keys, "late"))).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer sk-dummy"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"x-api-key": "fim_000000000000_" + "a" * 43},
        {"x-api-key": "é"},
    ],
)
def test_no_key_or_a_wrong_one_is_a_401_that_names_the_way(
    client: TestClient, engine: FakeEngine, headers: dict[str, str]
) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    answer = client.post("/v1/completions", json=COMPLETION, headers=encoded)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.json()["error"]["code"] in ("missing_api_key", "invalid_api_key")
    assert "dummy" not in answer.text
    assert not engine.requests


@pytest.mark.parametrize(
    "form", [("authorization", "Bearer {}"), ("authorization", "bearer  {}"), ("x-api-key", "{}")]
)
def test_a_key_is_taken_either_way_and_decides_the_tenant(
    client: TestClient, engine: FakeEngine, keys: Path, form: tuple[str, str]
) -> None:
    text = add_key(keys, "alice", "acme")
    headers = {form[0]: form[1].format(text)}
    answer = client.post("/v1/completions", json=COMPLETION | {"user": "mallory"}, headers=headers)
    assert answer.status_code == 200
    assert engine.last_request.tenant == "acme"


def test_two_keys_of_one_tenant_are_one_tenant(
    client: TestClient, engine: FakeEngine, keys: Path
) -> None:
    for name, tenant in (("alice", "acme"), ("bob", "acme"), ("eve", "other")):
        text = add_key(keys, name, tenant)
        client.post("/v1/completions", json=COMPLETION, headers=bearer(text))
    assert [asked.tenant for asked in engine.requests] == ["acme", "acme", "other"]


def test_a_revoked_key_is_out_at_once(client: TestClient, keys: Path) -> None:
    text = add_key(keys, "alice")
    assert client.get("/v1/models", headers=bearer(text)).status_code == 200
    KeyFile(keys).change(lambda known: [key for key in known if key.name != "alice"])
    assert client.get("/v1/models", headers=bearer(text)).status_code == 401


@pytest.mark.parametrize(
    ("scope", "method", "path", "may"),
    [
        ("complete", "GET", "/v1/models", True),
        ("complete", "GET", "/ready", True),
        ("complete", "GET", "/metrics", False),
        ("complete", "GET", "/v1/adapters", False),
        ("complete", "DELETE", "/v1/adapters/ours", False),
        ("complete", "POST", "/v1/events", False),
        ("events", "GET", "/v1/models", False),
        ("events", "POST", "/v1/events", True),
        ("admin", "GET", "/metrics", True),
        ("admin", "GET", "/v1/adapters", True),
        ("admin", "GET", "/v1/models", False),
    ],
)
def test_a_key_does_what_its_scopes_say(
    client: TestClient, keys: Path, scope: Scope, method: str, path: str, may: bool
) -> None:
    text = add_key(keys, "scoped", scopes=(scope,))
    answer = client.request(method, path, headers=bearer(text))
    assert (answer.status_code != 403) is may
    if not may:
        assert answer.json()["error"]["code"] == "insufficient_scope"


def test_the_longest_beginning_decides_the_scope_and_words_do_not_run_on() -> None:
    access = Access({"/a": "admin", "/a/b": "events"}, ("/", "/open", "/files/"))
    paths = ("/a", "/a/x", "/a/b", "/a/b/c", "/ab", "/")
    assert [access.scope_of(path) for path in paths] == [
        "admin", "admin", "events", "events", "complete", "complete",
    ]  # fmt: skip
    public = ("/", "/open", "/files/x.js", "/open/x", "/files", "/x")
    assert [access.is_public("GET", path) for path in public] == [True] * 3 + [False] * 3


def test_without_keys_any_key_will_do(engine: FakeEngine) -> None:
    client = TestClient(make_app(engine), "http://localhost")
    answer = client.post("/v1/completions", json=COMPLETION, headers=bearer("sk-dummy"))
    assert answer.status_code == 200
    assert engine.last_request.tenant == "local"


def test_the_log_names_the_key_and_never_shows_it(
    client: TestClient, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = add_key(keys, "alice")
    caplog.set_level("DEBUG", "fimserve.server")
    client.get("/v1/models", headers=bearer(text))
    client.get("/v1/models", headers=bearer("fim_wrong"))
    assert f"key={KeyFile(keys).read()[-1].id}" in caplog.text
    assert text not in caplog.text
    assert "fim_wrong" not in caplog.text


def test_health_tells_strangers_nothing_but_that_it_is_alive_and_ready(
    client: TestClient, keys: Path
) -> None:
    told = client.get("/health").json()
    assert told == {"status": "ok", "service": "fimserve", "ready": True}
    assert client.get("/health", headers=bearer("fim_wrong")).json() == told
    known = client.get("/health", headers=bearer(add_key(keys, "second"))).json()
    assert known["model"] == "fake-1b"
    assert known["engine"]["num_blocks"] == 64


def test_an_address_that_is_refused_again_and_again_gets_429_and_is_not_logged(
    keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fimserve.server.request_log")
    good = bearer(add_key(keys, "good"))
    settings = ServerSettings(keys=keys, failures_per_s=0.1)
    client = TestClient(make_app(FakeEngine(), settings), "http://localhost")
    wrong = [client.get("/v1/models", headers=bearer("fim_wrong")) for _ in range(SAVED_UP)]
    num_lines = len(caplog.records)
    refused = client.get("/v1/models")
    assert {answer.status_code for answer in wrong} == {401}
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "too_many_failures"
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.headers["connection"] == "close"
    assert len(caplog.records) == num_lines == SAVED_UP
    # Behind the same address, and with a scope too few.
    assert client.get("/v1/models", headers=good).status_code == 200
    narrow = bearer(add_key(keys, "narrow", scopes=("events",)))
    assert client.get("/v1/models", headers=narrow).status_code == 429
