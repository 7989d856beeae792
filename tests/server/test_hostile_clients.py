"""Under every attack the others are answered, and afterwards nothing is left of it.

How much slower the others are is measured by `fimserve bench hostile`; here nothing is timed.
"""

import asyncio
import ssl
from dataclasses import replace

import httpx
import pytest

from fimeval.bench.attacks import ATTACKS, TLS_ATTACKS, find_victim, run_attack
from fimeval.bench.certificate import Certificate, make_certificate
from fimeval.bench.hostile import HostileSettings, Siege, besiege
from fimserve.server.http_server import HttpServer
from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine
from support.live_server import run_server

SETTINGS = ServerSettings(header_timeout_s=3.0, body_timeout_s=3.0)
"""Short, but not so short that a busy machine's honest clients miss it."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


BODY = {"prompt": "def area(radius):\n    return ", "max_tokens": 8}
NUM_BYSTANDERS = 3
NUM_QUESTIONS = 5


async def ask_all_along(url: str, stop: asyncio.Event, trusted: ssl.SSLContext) -> list[int]:
    """Return the statuses of a few editors' requests while an attack goes on; then stop it."""

    async def ask() -> list[int]:
        # A connection for each question: one that is open is not kept out.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=url, trust_env=False, timeout=30, verify=trusted, limits=limits
        ) as client:
            statuses = []
            for _ in range(NUM_QUESTIONS):
                await asyncio.sleep(0.1)
                statuses.append((await client.post("/v1/completions", json=BODY)).status_code)
            return statuses

    try:
        answers = await asyncio.gather(*(ask() for _ in range(NUM_BYSTANDERS)))
    finally:
        stop.set()
    return [status for statuses in answers for status in statuses]


async def wait_until_nothing_is_left(server: HttpServer, engine: FakeEngine) -> None:
    """Return once no connection, task and completion is open; fail if one stays."""
    state = server.server_state
    for _ in range(400):
        if not (state.connections or state.tasks or engine.num_open):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{len(state.connections)} connections, {len(state.tasks)} tasks are left")


@pytest.mark.parametrize("name", [*ATTACKS, *TLS_ATTACKS])
def test_others_are_answered_under_attack_and_nothing_is_left_of_it(
    name: str, certificate: Certificate
) -> None:
    attack, num_at_a_time = (ATTACKS | TLS_ATTACKS)[name]
    trusted = ssl.create_default_context(cafile=certificate.path)
    settings = SETTINGS
    if name in TLS_ATTACKS:
        settings = replace(SETTINGS, tls_cert=certificate.path, tls_key=certificate.key_path)
    engine = FakeEngine(["3.14159"] * 20)

    async def play(server: HttpServer, url: str) -> tuple[list[int], int]:
        stop = asyncio.Event()
        attacking = asyncio.ensure_future(run_attack(attack, find_victim(url), num_at_a_time, stop))
        statuses = await ask_all_along(url, stop, trusted)
        num_opened = await attacking
        await wait_until_nothing_is_left(server, engine)
        return statuses, num_opened

    with run_server(engine, settings) as (server, url):
        statuses, num_opened = asyncio.run(play(server, url))
    assert statuses == [200] * (NUM_BYSTANDERS * NUM_QUESTIONS)
    assert num_opened >= num_at_a_time


def test_the_measured_form_reports_every_attack() -> None:
    settings = HostileSettings(seconds=0.2, num_rounds=1, rate=10, settle_s=0, rehearsal_s=0.1)
    seen: list[Siege] = []
    with run_server(FakeEngine(), SETTINGS) as (_, url):
        sieges = asyncio.run(besiege(url, find_victim(url), settings, None, on_siege=seen.append))
    assert [siege.name for siege in sieges] == list(ATTACKS)
    assert seen == list(sieges)
    for siege in sieges:
        assert (siege.quiet.num_requests, siege.quiet.num_failed) == (2, 0)
        assert siege.attacked.num_failed == 0
        assert siege.slowdown > 0
