"""The real `tabby-agent` of npm against a real server: what it shows, reports and recovers from."""

from __future__ import annotations

from pathlib import Path

import pytest

from fimserve.engine import QueueFull
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.keys import add_key
from support.live_server import serve_in_thread
from support.npm import install_npm
from support.stored import read_rows
from support.tabby_agent import run_agent, run_agent_server

DOCUMENT = "def area(r):\n    return █\n\nprint(area(2))\n"
PACKAGE = Path(__file__).parents[1] / "clients" / "tabby_agent"


@pytest.fixture(scope="module")
def package() -> Path:
    """Return where the package is installed, if it can be had here."""
    return install_npm(PACKAGE)


@pytest.fixture(params=["", "/tabby"])
def mount(request: pytest.FixtureRequest) -> str:
    """Return where the dialect is found: at the path that is shared, or at one of its own."""
    return str(request.param)


def test_agent_is_ready_and_shows_what_the_engine_writes(
    package: Path, tmp_path: Path, mount: str
) -> None:
    engine = FakeEngine()
    with serve_in_thread(engine) as url, run_agent(package, tmp_path) as agent:
        assert agent.start(url + mount) == "ready"
        assert agent.call("getServerHealthState")["model"] == "fake-1b"
        # The server's settings have been read and obeyed.
        assert agent.call("getConfig")["anonymousUsageTracking"]["disable"] is True
        shown = agent.complete(
            DOCUMENT,
            declarations=[{"filepath": "/w/consts.py", "offset": 0, "text": "PI = 3.14159"}],
        )
    assert [choice["text"] for choice in shown["choices"]] == ["3.14159 * r * r"]
    asked = engine.last_request
    assert (asked.prefix, asked.suffix) == tuple(DOCUMENT.split("█"))
    assert (asked.path, asked.language) == ("geo.py", "python")
    assert [(one.path, one.text) for one in asked.snippets] == [("consts.py", "PI = 3.14159")]


def test_agent_that_is_refused_once_goes_on(package: Path, tmp_path: Path, mount: str) -> None:
    engine = FakeEngine([QueueFull("256 requests wait", 1000.0)])
    with serve_in_thread(engine) as url, run_agent(package, tmp_path) as agent:
        agent.start(url + mount)
        assert agent.complete(DOCUMENT) is None
        assert agent.status == "ready"
        engine.script = ("math.pi * r ** 2",)
        shown = agent.complete(DOCUMENT)
    assert shown["choices"][0]["text"] == "math.pi * r ** 2"
    assert len(engine.requests) == 2


def test_agent_without_a_key_recovers_once_it_has_one(
    package: Path, tmp_path: Path, mount: str
) -> None:
    engine, keys = FakeEngine(), tmp_path / "keys.json"
    key = add_key(keys)
    settings = ServerSettings(keys=keys)
    with serve_in_thread(engine, settings) as url, run_agent(package, tmp_path) as agent:
        assert agent.start(url + mount, token="wrong") == "unauthorized"
        assert agent.complete(DOCUMENT) is None
        assert engine.requests == []
        assert agent.call("updateConfig", "server.token", key) is True
        assert agent.check_health() == "ready"
        assert agent.complete(DOCUMENT)["choices"][0]["text"] == "3.14159 * r * r"
    assert engine.last_request.tenant == "acme"


def test_agent_waits_for_a_server_that_can_complete(
    package: Path, tmp_path: Path, mount: str
) -> None:
    engine = FakeEngine()
    engine.is_alive = False
    with serve_in_thread(engine) as url, run_agent(package, tmp_path) as agent:
        assert agent.start(url + mount) == "disconnected"
        assert agent.call("getServerHealthState") is None
        engine.is_alive = True
        assert agent.check_health() == "ready"
        assert agent.complete(DOCUMENT)["choices"]


def test_what_becomes_of_a_suggestion_is_stored_as_an_event(
    package: Path, tmp_path: Path, mount: str
) -> None:
    database = f"sqlite:///{tmp_path}/events.db"
    store = open_event_store(TelemetrySettings(url=database))
    text = "if r < 0:\n        raise ValueError(r)"
    with (
        serve_in_thread(FakeEngine([text]), event_store=store) as url,
        run_agent(package, tmp_path) as agent,
    ):
        agent.start(url + mount)
        shown = agent.complete("def area(r):\n    █\n")
        event = {"completion_id": shown["id"], "choice_index": 0, "view_id": "v1"}
        assert agent.call("postEvent", event | {"type": "view"}) is True
        line = {"type": "select", "select_kind": "line", "elapsed": 900}
        assert agent.call("postEvent", event | line) is True
        assert agent.call("postEvent", event | {"type": "select", "elapsed": 1840}) is True
        assert agent.call("postEvent", event | {"type": "select", "elapsed": 1840}) is True
        assert agent.call("postEvent", event | {"type": "dismiss", "view_id": "v2"}) is True
        assert agent.call("postEvent", event | {"type": "hover"}) is False
    stored = {row["type"]: row for row in read_rows(database)}
    assert set(stored) == {"shown", "partially_accepted", "accepted", "dismissed"}
    assert stored["shown"]["completion_chars"] == len(text)
    assert stored["partially_accepted"]["accepted_chars"] == len("if r < 0:")
    assert (stored["accepted"]["accepted_chars"], stored["accepted"]["shown_ms"]) == (
        len(text),
        1840,
    )
    assert len(read_rows(database)) == 4


def test_language_server_of_the_agent_offers_the_text_as_an_edit(
    package: Path, tmp_path: Path, mount: str
) -> None:
    uri = "file:///w/geo.py"
    text = DOCUMENT.replace("█", "")
    position = {"line": 1, "character": len("    return ")}
    with (
        serve_in_thread(FakeEngine()) as url,
        run_agent_server(package, tmp_path, url + mount) as server,
    ):
        server.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        server.notify("initialized", {})
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        server.notify("textDocument/didOpen", {"textDocument": document})
        asked = {"textDocument": {"uri": uri}, "position": position}
        found = server.request("textDocument/completion", asked)
    (item,) = found["items"]
    assert item["textEdit"]["newText"] == "3.14159 * r * r"
    assert item["textEdit"]["range"] == {"start": position, "end": position}
    assert item["data"]["completionId"].startswith("cmpl-")
