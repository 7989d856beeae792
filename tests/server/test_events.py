"""Events over HTTP: all of a batch or nothing, errors that name the place, Tabby told apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from starlette.responses import Response

from fimserve.server.app import make_app
from fimserve.server.routes.events import TABBY
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import (
    EventStore,
    StoreClosed,
    StoreUnavailable,
    TelemetrySettings,
    open_event_store,
)
from support.fake_engine import FakeEngine
from support.refusing_store import RefusingStore
from support.stored import read_rows, read_stored

SHOWN = {"id": "e-1", "type": "shown", "completion_id": "cmpl-1", "at_ms": 1_700_000_000_000}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    settings = TelemetrySettings(url=url, max_batch_events=5)
    with serve(open_event_store(settings)) as client:
        yield client


def serve(store: EventStore | None, settings: ServerSettings | None = None) -> TestClient:
    """Return a client of a service with this store, which is closed at the end of `with`."""
    return TestClient(make_app(FakeEngine(), settings, event_store=store), "http://localhost")


def send(client: TestClient, *events: object) -> Any:
    """Return the status and the JSON of the answer to a batch."""
    answer = client.post("/v1/events", json={"events": events})
    return answer.status_code, answer.json()


def test_a_batch_is_stored_before_it_is_answered_and_counts_once(
    client: TestClient, url: str
) -> None:
    assert send(client, SHOWN, SHOWN | {"id": "e-2"}) == (200, {"accepted": 2, "duplicates": 0})
    assert read_stored(url) == {"local": ["e-1", "e-2"]}
    assert send(client, SHOWN, SHOWN | {"id": "e-3"}) == (200, {"accepted": 1, "duplicates": 1})
    assert send(client) == (200, {"accepted": 0, "duplicates": 0})


@pytest.mark.parametrize(
    ("event", "param"),
    [
        (SHOWN | {"kind": "x = 1"}, "events[1].kind"),
        (SHOWN | {"id": None}, "events[1].id"),
        (SHOWN | {"completion_id": None}, "events[1].completion_id"),
        ([], "events[1]"),
        (None, "events[1]"),
    ],
)
def test_a_batch_with_a_fault_stores_nothing_and_says_where_it_is(
    client: TestClient, url: str, event: object, param: str
) -> None:
    status, answer = send(client, SHOWN | {"id": "good"}, event)
    assert status == 400
    assert answer["error"]["param"] == param
    assert answer["error"]["message"].startswith(f"{param} ")
    assert "x = 1" not in answer["error"]["message"]
    assert read_rows(url) == []


@pytest.mark.parametrize(
    "body", [{}, {"events": None}, {"events": {}}, {"events": "x"}, {"type": "view"}]
)
def test_a_body_that_is_no_batch_is_a_400(client: TestClient, body: dict[str, object]) -> None:
    answer = client.post("/v1/events", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "events"


def test_too_many_events_and_too_many_bytes_are_refused(url: str) -> None:
    store = open_event_store(TelemetrySettings(url=url, max_batch_events=5))
    with serve(store, ServerSettings(max_body_bytes=2_000)) as client:
        status, answer = send(client, *({"id": f"e-{i}"} for i in range(6)))
        assert status == 400
        assert "has 6 entries; the limit is 5" in answer["error"]["message"]
        assert send(client, SHOWN | {"unknown": "x" * 2_000})[0] == 413
    assert read_rows(url) == []


def test_code_is_dropped_and_the_client_told_so(client: TestClient, url: str) -> None:
    status, answer = send(client, SHOWN | {"completion_text": "x = 1"})
    assert (status, answer) == (200, {"accepted": 1, "duplicates": 0, "texts_dropped": 1})
    assert read_rows(url, table="event_texts") == []


def test_code_of_a_tenant_that_allows_it_is_kept(url: str) -> None:
    store = open_event_store(TelemetrySettings(url=url, store_text=("local",)))
    with serve(store) as client:
        assert send(client, SHOWN | {"completion_text": "x = 1"})[1]["accepted"] == 1
    assert read_rows(url, table="event_texts")[0]["completion_text"] == "x = 1"


def test_a_service_without_a_store_says_so_for_good() -> None:
    with serve(None) as client:
        status, answer = send(client, SHOWN)
    assert (status, answer["error"]["code"]) == (404, "events_off")


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [(StoreUnavailable("full", 10), "10"), (StoreClosed("the store is closing"), "5")],
)
def test_what_cannot_be_stored_now_is_a_503_that_may_be_repeated(
    error: Exception, retry_after: str
) -> None:
    with serve(RefusingStore(error)) as client:
        answer = client.post("/v1/events", json={"events": [SHOWN]})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == retry_after
    assert answer.headers["x-should-retry"] == "true"
    assert answer.json()["error"]["code"] == "events_unavailable"


def test_a_fault_of_the_store_is_a_500_without_its_words() -> None:
    with serve(RefusingStore(RuntimeError("/etc/secret"))) as client:
        client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
        answer = client.post("/v1/events", json={"events": [SHOWN]})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_tabby_s_events_go_to_the_tabby_dialect(
    client: TestClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[dict[str, object]] = []

    async def record_event(request: Request, body: dict[str, object]) -> Response:
        bodies.append(body)
        return Response()

    tabby = ModuleType(TABBY)
    tabby.record_event = record_event  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, TABBY, tabby)
    body = {"type": "select", "completion_id": "cmpl-1", "choice_index": 0, "elapsed": 7}
    answer = client.post("/v1/events?select_kind=line", json=body)
    assert (answer.status_code, answer.content) == (200, b"")
    assert bodies == [body]
    # A list of events is ours, whatever stands beside it.
    assert client.post("/v1/events", json=body | {"events": [SHOWN]}).json()["accepted"] == 1
    assert len(bodies) == 1


def test_the_openapi_document_describes_an_event(client: TestClient) -> None:
    post = client.get("/openapi.json").json()["paths"]["/v1/events"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]
    event = body["properties"]["events"]["items"]
    assert event["required"] == ["id", "type", "at_ms"]
    assert event["properties"]["after_s"] == {"enum": [30, 120, 300, 600]}
    assert event["properties"]["id"]["pattern"] == "^[A-Za-z0-9._-]{1,64}$"
    assert event["properties"]["multiline"] == {"type": "boolean"}
