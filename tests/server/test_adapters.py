"""Adapters over HTTP: listed, loaded, asked for by name, unloaded; refused by name, not by path."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from fimserve.server.app import make_app
from support.fake_engine import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def client(engine: FakeEngine) -> TestClient:
    return TestClient(make_app(engine), "http://localhost")


def test_a_loaded_adapter_is_a_model_of_its_own(engine: FakeEngine, client: TestClient) -> None:
    before = client.post("/v1/completions", json={"prompt": "x", "model": "ours"})
    assert before.status_code == 404
    loaded = client.post("/v1/adapters", json={"name": "ours"})
    assert loaded.json() == {"loaded": ["ours"], "available": ["ours", "theirs"]}
    models = client.get("/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["fake-1b", "ours"]
    assert client.get("/v1/models/ours").status_code == 200
    answer = client.post("/v1/completions", json={"prompt": "x", "model": "ours"})
    assert answer.json()["model"] == "ours"
    assert engine.last_request.adapter == "ours"
    client.post("/v1/completions", json={"prompt": "x"})
    assert engine.last_request.adapter is None


def test_an_unloaded_adapter_is_gone(client: TestClient) -> None:
    client.post("/v1/adapters", json={"name": "ours"})
    assert client.delete("/v1/adapters/ours").json()["loaded"] == []
    assert client.post("/v1/completions", json={"prompt": "x", "model": "ours"}).status_code == 404
    assert client.delete("/v1/adapters/ours").status_code == 404


@pytest.mark.parametrize("name", ["nobody", "../ours", "/etc/passwd", ""])
def test_what_the_directory_does_not_hold_is_a_404(client: TestClient, name: str) -> None:
    answer = client.post("/v1/adapters", json={"name": name})
    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "name"


@pytest.mark.parametrize("body", [{}, {"name": 5}, {"name": None}])
def test_a_body_without_a_name_is_a_400(client: TestClient, body: dict[str, object]) -> None:
    assert client.post("/v1/adapters", json=body).status_code == 400


@pytest.mark.parametrize("name", ["fake-1b", "fimserve"])
def test_an_adapter_that_nobody_could_ask_for_is_a_400(client: TestClient, name: str) -> None:
    answer = client.post("/v1/adapters", json={"name": name})
    assert answer.status_code == 400
    assert "rename the folder" in answer.json()["error"]["message"]
