"""Told to stop, the service answers whom it has begun to answer, and tells the others."""

import asyncio
import shutil
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fimeval.bench.attacks import GREETING_START
from fimeval.bench.certificate import make_certificate
from fimserve.server.http_server import HttpServer
from fimserve.server.service import Service
from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine
from support.live_server import run_server
from support.raw_http import connect, read_to_end
from support.waiting import wait_until

COMPLETION = {"prompt": "def area(radius):"}


def is_draining(server: HttpServer) -> bool:
    """Return whether the server has been told to stop, and knows."""
    service: Service = server.config.app.state.service  # type: ignore[union-attr]
    return service.drain.is_draining


def test_while_it_drains_open_connections_are_answered_and_new_ones_are_not() -> None:
    gate = asyncio.Event()
    engine = FakeEngine([gate, "late"])

    answers: list[httpx.Response] = []

    def complete(url: str) -> None:
        answers.append(httpx.post(f"{url}/v1/completions", json=COMPLETION, trust_env=False))

    with (
        run_server(engine) as (server, url),
        httpx.Client(base_url=url, trust_env=False) as idle,
    ):
        assert idle.get("/ready").json() == {"status": "ready"}
        running = threading.Thread(target=complete, args=(url,))
        running.start()
        assert engine.begun.wait(10)
        server.should_exit = True
        wait_until(lambda: is_draining(server))
        refused = idle.post("/v1/completions", json=COMPLETION)
        assert refused.status_code == 503
        assert refused.headers["connection"] == "close"
        assert refused.headers["x-should-retry"] == "false"
        assert refused.json()["error"]["code"] == "stopping"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health", trust_env=False)
        loop = server.servers[0].get_loop()
        loop.call_soon_threadsafe(gate.set)
        running.join(10)

    assert answers[0].json()["choices"][0]["text"] == "late"
    assert engine.is_closed


def test_whoever_watches_sees_it_drain() -> None:
    gate = asyncio.Event()
    engine = FakeEngine([gate, "late"])

    with (
        run_server(engine) as (server, url),
        httpx.Client(base_url=url, trust_env=False) as watcher,
    ):
        watcher.get("/health")
        running = threading.Thread(
            target=lambda: httpx.post(f"{url}/v1/completions", json=COMPLETION, trust_env=False)
        )
        running.start()
        assert engine.begun.wait(10)
        server.should_exit = True
        wait_until(lambda: is_draining(server))
        assert watcher.get("/health").status_code == 200
        ready = watcher.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
        server.servers[0].get_loop().call_soon_threadsafe(gate.set)
        running.join(10)


def test_a_request_that_outlasts_the_drain_is_cut_off_and_cancelled() -> None:
    engine = FakeEngine(["begun", asyncio.Event()])

    with run_server(engine, ServerSettings(drain_s=0)) as (server, url):
        body = COMPLETION | {"stream": True}
        with httpx.stream("POST", f"{url}/v1/completions", json=body, trust_env=False) as answer:
            lines = answer.iter_lines()
            assert "begun" in next(lines)
            server.should_exit = True
            # How it ends is the network's: by an error, or by the connection's end.
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
    assert engine.num_open == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl on the PATH")
def test_with_a_certificate_it_speaks_tls_of_this_decade(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    settings = ServerSettings(tls_cert=made.path, tls_key=made.key_path)
    with run_server(FakeEngine(), settings) as (_, url):
        trusted = ssl.create_default_context(cafile=made.path)
        assert httpx.get(f"{url}/health", verify=trusted, trust_env=False).status_code == 200
        old = ssl.create_default_context(cafile=made.path)
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health", verify=old, trust_env=False)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl on the PATH")
@pytest.mark.parametrize("start", [b"", GREETING_START])
def test_a_handshake_that_never_comes_ends_like_a_head_that_never_does(
    tmp_path: Path, start: bytes
) -> None:
    made = make_certificate(tmp_path)
    settings = ServerSettings(tls_cert=made.path, tls_key=made.key_path, header_timeout_s=0.3)
    with run_server(FakeEngine(), settings) as (_, url), connect(url) as connection:
        connection.sendall(start)
        assert read_to_end(connection).status is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl on the PATH")
def test_connections_count_before_their_handshake(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    settings = ServerSettings(
        tls_cert=made.path, tls_key=made.key_path, header_timeout_s=60, max_connections=8
    )
    trusted = ssl.create_default_context(cafile=made.path)
    with run_server(FakeEngine(), settings) as (_, url), ExitStack() as stack:
        silent = [stack.enter_context(connect(url)) for _ in range(settings.max_connections + 4)]
        # The oldest have gone for the newest, long before their time was over.
        for connection in silent[:4]:
            assert read_to_end(connection).status is None
        assert httpx.get(f"{url}/health", verify=trusted, trust_env=False).status_code == 200
