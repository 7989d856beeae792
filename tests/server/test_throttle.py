"""A key that sends too much is told so in its dialect; the others notice nothing."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from fimserve.server.app import make_app
from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine
from support.keys import add_key, bearer

COMPLETION = {"prompt": "def area(radius):"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_beyond_its_rate_gets_429_and_the_time_to_wait(keys: Path) -> None:
    fast, slow = (bearer(add_key(keys, name)) for name in ("fast", "slow"))
    settings = ServerSettings(keys=keys, key_requests_per_s=0.2, key_burst=3)
    client = TestClient(make_app(FakeEngine(), settings), "http://localhost")
    answers = [client.post("/v1/completions", json=COMPLETION, headers=fast) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["x-should-retry"] == "false"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "0.2 requests per second" in refused.json()["error"]["message"]
    assert client.post("/v1/completions", json=COMPLETION, headers=slow).status_code == 200


def test_a_key_with_too_many_at_a_time_gets_429_until_one_is_done(keys: Path) -> None:
    mine, other = (bearer(add_key(keys, name)) for name in ("mine", "other"))
    settings = ServerSettings(keys=keys, key_concurrency=2)

    async def play() -> list[int]:
        gate = asyncio.Event()
        engine = FakeEngine([gate, "x"])
        transport = httpx.ASGITransport(make_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def ask(headers: dict[str, str]) -> int:
                answer = await client.post("/v1/completions", json=COMPLETION, headers=headers)
                return answer.status_code

            running = [asyncio.ensure_future(ask(mine)) for _ in range(2)]
            while engine.num_open < 2:
                await asyncio.sleep(0)
            refused = await ask(mine)
            waiting = asyncio.ensure_future(ask(other))
            while engine.num_open < 3:
                await asyncio.sleep(0)
            gate.set()
            done = await asyncio.gather(*running, waiting)
            return [refused, *done, await ask(mine)]

    assert asyncio.run(play()) == [429, 200, 200, 200, 200]


def test_refusals_do_not_use_up_the_places(keys: Path) -> None:
    mine = bearer(add_key(keys))
    settings = ServerSettings(keys=keys, key_concurrency=1)
    client = TestClient(make_app(FakeEngine(), settings), "http://localhost")
    for body in (b"{", b"", b'{"prompt": 5}'):
        assert client.post("/v1/completions", content=body, headers=mine).status_code == 400
    assert client.post("/v1/completions", json=COMPLETION, headers=mine).status_code == 200


def test_zero_is_no_limit(keys: Path) -> None:
    mine = bearer(add_key(keys))
    settings = ServerSettings(keys=keys, key_requests_per_s=0, key_burst=1, key_concurrency=0)
    client = TestClient(make_app(FakeEngine(), settings), "http://localhost")
    assert {client.get("/v1/models", headers=mine).status_code for _ in range(20)} == {200}


def test_without_keys_nobody_is_counted() -> None:
    settings = ServerSettings(key_requests_per_s=0.1, key_burst=1)
    client = TestClient(make_app(FakeEngine(), settings), "http://localhost")
    assert {client.get("/v1/models").status_code for _ in range(20)} == {200}
