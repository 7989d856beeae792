"""What one tenant has asked is nothing to another: no cached token, no session, no cancellation.

Times are measured by `fimserve bench tenants`; here nothing is timed.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from fastapi.testclient import TestClient

from fimeval.bench.tenant_timing import TimingSettings, find_auc, measure_timing
from fimserve.engine import Engine
from fimserve.models import load_model
from fimserve.server.app import make_app
from fimserve.server.settings import ServerSettings
from support.keys import add_key, bearer
from support.live_server import serve_in_thread
from support.tiny_checkpoint import write_tiny_checkpoint

PROMPT = "def area(radius):\n    return 3.14159 * radius * radius\n" * 4
BODY = {"prompt": PROMPT, "max_tokens": 4, "temperature": 0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on two threads, and far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny", endless=True)


@pytest.fixture
def engine(model_directory: Path) -> Iterator[Engine]:
    with Engine(load_model(str(model_directory), device="cpu", dtype="fp32")) as engine:
        yield engine


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Keys by name: two of one tenant, one of another."""
    path = tmp_path / "keys.json"
    return {
        name: add_key(path, name, tenant)
        for name, tenant in (("alice", "acme"), ("bob", "acme"), ("eve", "other"))
    }


@pytest.fixture
def settings(tmp_path: Path, keys: dict[str, str]) -> ServerSettings:
    assert keys
    return ServerSettings(keys=tmp_path / "keys.json", key_requests_per_s=0)


def test_a_prompt_is_cached_for_its_tenant_and_for_nobody_else(
    engine: Engine, settings: ServerSettings, keys: dict[str, str]
) -> None:
    client = TestClient(make_app(engine, settings), "http://localhost")

    def ask(name: str) -> tuple[int, str]:
        answer = client.post("/v1/completions", json=BODY, headers=bearer(keys[name])).json()
        cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        return cached, answer["choices"][0]["text"]

    (first, text), (again, _), (friend, _), (stranger, other_text) = (
        ask(name) for name in ("alice", "alice", "bob", "eve")
    )
    assert first == 0
    assert again > 0
    assert friend > 0
    assert stranger == 0
    assert other_text == text
    engine.check_integrity()


def test_a_session_of_the_same_name_is_another_s(
    engine: Engine, settings: ServerSettings, keys: dict[str, str]
) -> None:
    """A newer request of a session ends the older one: not that of another tenant."""

    async def play(*names: str) -> list[int]:
        body = BODY | {"session": "main.py", "max_tokens": 64, "ignore_eos": True, "trim": False}
        transport = httpx.ASGITransport(make_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = []
            for name in names:
                posted = client.post("/v1/completions", json=body, headers=bearer(keys[name]))
                asked.append(asyncio.ensure_future(posted))
                while engine.stats().num_running + engine.stats().num_waiting < len(asked):
                    await asyncio.sleep(0.001)
                    if asked[-1].done():
                        break
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(play("alice", "eve")) == [200, 200]
    assert asyncio.run(play("alice", "bob")) == [499, 200]
    engine.check_integrity()


@pytest.mark.parametrize(
    ("right_ms", "wrong_ms", "auc"),
    [([1, 2], [3, 4], 1.0), ([3, 4], [1, 2], 0.0), ([1, 1], [1, 1], 0.5), ([1, 3], [2, 4], 0.75)],
)
def test_area_under_the_curve_by_hand(
    right_ms: list[float], wrong_ms: list[float], auc: float
) -> None:
    assert find_auc(right_ms, wrong_ms) == auc


def test_the_measured_form_sees_cached_tokens_of_its_own_tenant_only(
    engine: Engine, settings: ServerSettings, keys: dict[str, str]
) -> None:
    timing = TimingSettings(n=6, num_controls=6, num_lines=4, num_resamples=10)
    with serve_in_thread(engine, settings) as url:
        other, same = measure_timing(url, keys["alice"], keys["eve"], keys["bob"], timing)
    assert other.attacker == "other tenant"
    # An attacker's own guesses may begin alike by chance, a digit or two.
    assert other.max_cached_tokens < 8
    assert same.max_cached_tokens > 20
    assert 0 <= other.low <= other.high <= 1
