"""What comes before a request is one has bounds, and who goes past them is told so."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest

from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine
from support.live_server import run_server, serve_in_thread
from support.raw_http import RawAnswer, connect, exchange, read_to_end, render_post
from support.waiting import wait_until

SETTINGS = ServerSettings(
    header_timeout_s=0.3, body_timeout_s=0.3, max_connections=8, max_header_bytes=2048
)
GET = b"GET /health HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_in_thread(FakeEngine(), SETTINGS) as url:
        yield url


def code_of(answer: RawAnswer) -> str:
    """Return the code of an error in OpenAI's shape."""
    return str(json.loads(answer.text.partition("\r\n\r\n")[2])["error"]["code"])


@pytest.mark.parametrize(
    "head",
    [
        GET + b"x-long: " + b"a" * 3000 + b"\r\n\r\n",
        GET + b"".join(b"x-%d: 1\r\n" % number for number in range(400)) + b"\r\n",
        b"GET /health?" + b"a" * 3000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        GET + b"x-endless: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
    ],
    ids=["one header", "many headers", "address", "header without end", "address without end"],
)
def test_a_head_past_the_limit_is_refused(url: str, head: bytes) -> None:
    answer = exchange(url, head)
    assert answer.status in (431, None), answer.text  # a reset may overtake the answer
    if answer.status is not None:
        assert code_of(answer) == "headers_too_large"
        assert "2048" in answer.text


def test_a_head_within_the_limit_passes_even_in_single_bytes(url: str) -> None:
    head = GET + b"connection: close\r\nx-long: " + b"a" * 1500 + b"\r\n\r\n"
    assert exchange(url, head).status == 200
    with connect(url) as connection:
        for byte in GET + b"connection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert read_to_end(connection).status == 200


def test_a_body_of_a_megabyte_is_no_head(url: str) -> None:
    body = json.dumps({"prompt": "x" * 200_000}).encode()
    assert exchange(url, render_post("/v1/completions", body)).status == 200


@pytest.mark.parametrize("start", [b"", b"\r\n", b"GET /hea", GET])
def test_silence_before_a_request_is_whole_ends_the_connection(url: str, start: bytes) -> None:
    with connect(url) as connection:
        connection.sendall(start)
        assert read_to_end(connection) == (None, "")


def test_trickling_does_not_buy_time(url: str) -> None:
    with connect(url) as connection:
        connection.settimeout(0.02)
        began_s = time.monotonic()
        while time.monotonic() - began_s < 10.0:
            try:
                connection.sendall(b"\r\n")
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection is still open")


def test_a_slow_body_is_refused_in_the_path_s_shape(url: str) -> None:
    head = render_post("/v1/completions", b"").replace(b"content-length: 0", b"content-length: 9")
    with connect(url) as connection:
        connection.sendall(head + b'{"pro')
        answer = read_to_end(connection)
    assert answer.status == 400
    assert code_of(answer) == "body_timeout"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
        b"\x00" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT test:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        GET + b"content-length: -1\r\n\r\n",
        GET + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        GET + b"no colon\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_ended(url: str, garbage: bytes) -> None:
    answer = exchange(url, garbage)
    assert answer.status in (400, None), answer.text
    assert "Traceback" not in answer.text


def test_one_connection_too_many_is_refused_with_the_time_to_come_back() -> None:
    gate = asyncio.Event()
    engine = FakeEngine([gate, "late"])
    body = json.dumps({"prompt": "x"}).encode()
    with run_server(engine, SETTINGS) as (server, url), ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(SETTINGS.max_connections)]
        for client in clients:
            client.sendall(render_post("/v1/completions", body))
        wait_until(lambda: engine.num_open == len(clients))
        answer = exchange(url, GET + b"\r\n")
        server.servers[0].get_loop().call_soon_threadsafe(gate.set)
        served = [read_to_end(client).status for client in clients]
    assert answer.status == 503
    assert code_of(answer) == "unavailable"
    assert "x-should-retry: false" in answer.text
    assert "retry-after: 1" in answer.text
    assert served == [200] * len(clients)


@pytest.mark.parametrize("start", [b"", GET])
def test_for_a_newcomer_the_oldest_that_has_not_asked_goes(url: str, start: bytes) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(url)) for _ in range(SETTINGS.max_connections)]
        for client in silent:
            client.sendall(start)
        statuses = [exchange(url, GET + b"connection: close\r\n\r\n").status for _ in range(3)]
        silent[0].settimeout(15)
        assert silent[0].recv(1) == b""
    assert statuses == [200] * 3


def test_for_one_connection_too_many_an_idle_one_goes(url: str) -> None:
    with ExitStack() as stack:
        clients = [
            stack.enter_context(httpx.Client(trust_env=False))
            for _ in range(SETTINGS.max_connections + 4)
        ]
        # httpx keeps each connection open, idle, after its answer.
        statuses = [client.get(f"{url}/health").status_code for client in clients]
    assert statuses == [200] * len(clients)


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    engine = FakeEngine(["x" * 100_000] * 400)
    settings = replace(SETTINGS, write_timeout_s=0.3)
    with serve_in_thread(engine, settings) as url, connect(url) as connection:
        body = json.dumps({"prompt": "x", "stream": True}).encode()
        connection.sendall(render_post("/v1/completions", body))
        assert engine.ended.wait(10)
    assert engine.num_steps < 400
