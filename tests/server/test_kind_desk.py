"""Events say the syntax that was completed, although their clients do not know it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fimserve.server import kind_desk
from fimserve.server.app import make_app
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.keys import add_key, bearer
from support.stored import read_rows

BODY = {
    "prompt": "def area(r):\n    return ",
    "suffix": "\n\n\nprint(area(2))\n",
    "language": "python",
}
SHOWN = {"id": "e-1", "type": "shown", "at_ms": 1_700_000_000_000}
KINDS = (
    *("kind", "parent_kind", "grandparent_kind", "great_grandparent_kind"),
    *("line_kind", "kind_after"),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    with serve(url) as client:
        yield client


def serve(
    url: str, engine: FakeEngine | None = None, settings: ServerSettings | None = None
) -> TestClient:
    store = open_event_store(TelemetrySettings(url=url))
    app = make_app(engine or FakeEngine(), settings, event_store=store)
    return TestClient(app, base_url="http://localhost")


def complete(client: TestClient, path: str = "/v1/completions", **body: object) -> str:
    """Return the id of a completion."""
    answer = client.post(path, json=BODY | body)
    assert answer.status_code == 200, answer.text
    completion_id: str = answer.json()["id"]
    return completion_id


def report(client: TestClient, url: str, **values: object) -> dict[str, Any]:
    """Return the kinds that are stored of a shown suggestion, without those that are not."""
    assert client.post("/v1/events", json={"events": [SHOWN | values]}).status_code == 200
    (row,) = read_rows(url, f"id = '{values.get('id', SHOWN['id'])}'")
    return {name: row[name] for name in KINDS if row[name] is not None}


def test_an_event_gets_the_kinds_at_its_completion(client: TestClient, url: str) -> None:
    assert report(client, url, completion_id=complete(client)) == {
        "kind": "return_statement",
        "parent_kind": "block",
        "grandparent_kind": "function_definition",
        "great_grandparent_kind": "module",
        "line_kind": "block",
        "kind_after": "binary_operator",
    }


def test_a_streamed_completion_is_looked_at_too(client: TestClient, url: str) -> None:
    answer = client.post("/v1/completions", json=BODY | {"stream": True})
    completion_id = answer.text.partition('"id":"')[2].partition('"')[0]
    told = report(client, url, completion_id=completion_id)
    assert (told["kind"], told["kind_after"]) == ("return_statement", "binary_operator")


def test_what_a_client_says_itself_stays(client: TestClient, url: str) -> None:
    told = report(client, url, completion_id=complete(client), kind="block")
    assert told == {"kind": "block"}


def test_an_alternative_stands_at_the_same_place_with_another_text(
    client: TestClient, url: str
) -> None:
    told = report(client, url, completion_id=f"{complete(client, n=3)}-2")
    assert told["kind"] == "return_statement"
    assert "kind_after" not in told


def test_tabby_s_events_get_them_as_well(client: TestClient, url: str) -> None:
    segments = {"prefix": BODY["prompt"], "suffix": BODY["suffix"]}
    answer = client.post("/v1/completions", json={"language": "python", "segments": segments})
    viewed = {"type": "view", "completion_id": answer.json()["id"], "choice_index": 0}
    assert client.post("/v1/events", json=viewed).status_code == 200
    (row,) = read_rows(url)
    assert (row["kind"], row["kind_after"]) == ("return_statement", "binary_operator")


@pytest.mark.parametrize("body", [{"language": None}, {"language": "klingon"}])
def test_without_a_grammar_events_are_stored_as_they_came(
    client: TestClient, url: str, body: dict[str, object]
) -> None:
    assert report(client, url, completion_id=complete(client, **body)) == {}


def test_nothing_is_said_of_completions_that_are_not_known(client: TestClient, url: str) -> None:
    assert report(client, url, completion_id="cmpl-of-another-service") == {}
    assert report(client, url, id="e-2", type="requested") == {}


def test_a_completion_without_text_is_not_looked_at(url: str) -> None:
    with serve(url, FakeEngine([""])) as client:
        assert report(client, url, completion_id=complete(client)) == {}


def test_a_parser_that_fails_costs_no_event(
    client: TestClient, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the grammar is broken")

    monkeypatch.setattr(kind_desk, "find_cursor_kinds", fail)
    assert report(client, url, completion_id=complete(client)) == {}
    assert "the grammar is broken" in caplog.text


def test_those_who_would_wait_too_long_are_not_looked_at(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind_desk, "MAX_WAITING", 0)
    with serve(url) as client:
        assert report(client, url, completion_id=complete(client)) == {}


def test_the_oldest_are_forgotten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind_desk, "MAX_REMEMBERED", 1)
    with serve(url) as client:
        first, second = complete(client), complete(client)
        assert report(client, url, completion_id=first) == {}
        assert report(client, url, id="e-2", completion_id=second)["kind"] == "return_statement"


def test_tenants_do_not_learn_of_each_other_s_places(url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ours = bearer(add_key(file, "ours", tenant="a"))
    theirs = bearer(add_key(file, "theirs", tenant="b"))
    with serve(url, settings=ServerSettings(keys=file)) as client:
        client.headers.update(ours)
        completion_id = complete(client)
        client.headers.update(theirs)
        assert report(client, url, completion_id=completion_id) == {}
