"""What belongs to no dialect: unknown paths, wrong methods, health, the OpenAPI document."""

import asyncio
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fimserve import __version__
from fimserve.server.app import make_app
from fimserve.server.settings import ServerSettings
from support.asgi import request
from support.fake_engine import FakeEngine
from support.keys import add_key


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "unknown_route"),
        ("POST", "/v1/chat/completions", 404, "unknown_route"),
        ("POST", "/v1/completions/", 404, "unknown_route"),
        ("GET", "/docs", 404, "unknown_route"),
        ("GET", "/" + "a" * 500, 404, "unknown_route"),
        ("GET", "/%0d%0aX-Evil:%201", 404, "unknown_route"),
        ("GET", "/v1/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
    ],
)
def test_unknown_route_or_method_answers_in_the_shape_of_openai(
    method: str, path: str, status: int, code: str
) -> None:
    answer = request(FakeEngine(), method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert len(error["message"]) < 150
    assert "\n" not in error["message"]
    assert "x-evil" not in answer.headers


def test_wrong_method_says_which_one_is_right() -> None:
    answer = request(FakeEngine(), "GET", "/v1/completions")
    assert answer.headers["allow"] == "POST"
    assert "POST" in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_says_what_is_served_and_for_how_long(method: str) -> None:
    with TestClient(make_app(FakeEngine(), device="cuda:1"), "http://localhost") as client:
        answer = client.request(method, "/health")
    assert answer.status_code == 200
    if method == "GET":
        body = answer.json()
        assert 0 <= body.pop("uptime_s") < 60
        assert body == {
            "status": "ok",
            "service": "fimserve",
            "ready": True,
            "version": __version__,
            "model": "fake-1b",
            "device": "cuda:1",
            "events": False,
            "engine": {
                "num_blocks": 64,
                "num_free_blocks": 61,
                "block_tokens": 32,
                "num_running": 2,
                "num_waiting": 1,
                "restarts": 0,
            },
        }


def test_health_is_bad_once_the_engine_has_stopped() -> None:
    engine = FakeEngine()
    engine.is_alive = False
    answer = request(engine, "GET", "/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "engine stopped"


def test_engine_is_closed_when_the_service_stops() -> None:
    engine = FakeEngine()
    with TestClient(make_app(engine), "http://localhost"):
        assert not engine.is_closed
    assert engine.is_closed


def test_openapi_document_describes_the_body_and_refers_to_nothing_missing() -> None:
    document = request(FakeEngine(), "GET", "/openapi.json").json()
    operation = document["paths"]["/v1/completions"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["prompt"]
    assert schema["properties"]["snippets"]["items"]["required"] == ["text"]
    assert "$ref" not in json.dumps(schema)


def test_websocket_is_refused_without_harm() -> None:
    async def play() -> list[str]:
        sent: list[str] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(message["type"])

        scope = {"type": "websocket", "path": "/v1/completions", "headers": [], "query_string": b""}
        await make_app(FakeEngine())(scope, receive, send)
        return sent

    assert asyncio.run(play()) == ["websocket.close"]


ORIGIN = {"origin": "https://editor.example"}
PREFLIGHT = ORIGIN | {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


def test_no_page_of_another_origin_may_ask_by_default() -> None:
    answer = request(FakeEngine(), "OPTIONS", "/v1/completions", headers=PREFLIGHT)
    assert answer.status_code == 405
    answer = request(FakeEngine(), "GET", "/v1/models", headers=ORIGIN)
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_a_named_origin_may_ask_and_reads_refusals_too(tmp_path: Path) -> None:
    add_key(tmp_path / "keys.json")
    named = ServerSettings(cors_origins=(ORIGIN["origin"],), keys=tmp_path / "keys.json")
    answer = request(FakeEngine(), "OPTIONS", "/v1/completions", named, headers=PREFLIGHT)
    assert answer.status_code == 200
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    refused = request(FakeEngine(), "GET", "/v1/models", named, headers=ORIGIN)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN["origin"]
    other = request(FakeEngine(), "GET", "/v1/models", named, headers={"origin": "https://x.y"})
    assert "access-control-allow-origin" not in other.headers


def test_ready_is_bad_while_the_engine_is_gone() -> None:
    engine = FakeEngine()
    assert request(engine, "GET", "/ready").json() == {"status": "ready"}
    engine.is_alive = False
    answer = request(engine, "GET", "/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "engine stopped"})


def test_every_operation_of_the_document_states_its_refusals() -> None:
    document = request(FakeEngine(), "GET", "/openapi.json").json()
    operations = [item[method] for item in document["paths"].values() for method in item]
    assert len(operations) >= 8
    for operation in operations:
        assert {"200", "401", "403", "429", "503"} <= set(operation["responses"])
        if "requestBody" in operation:
            assert {"400", "413"} <= set(operation["responses"])
    assert document["security"] == [{"bearer": []}, {"header": []}]
