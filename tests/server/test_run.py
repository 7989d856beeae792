"""A client that leaves stops the engine, at whatever moment it leaves and however it asked."""

import asyncio
import json
import logging
import socket

import pytest
from starlette.types import Message

from fimserve.server.app import make_app
from support.asgi import RawRequest
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread

BODIES = [{"prompt": "x"}, {"prompt": "x", "stream": True}]


async def settle() -> None:
    """Let every task that can run do so; no time passes."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("body", BODIES)
def test_client_leaving_while_the_engine_thinks_closes_the_generator(body: object) -> None:
    async def play() -> None:
        engine = FakeEngine([asyncio.Event(), "never"])
        raw = RawRequest(make_app(engine), body)
        answering = asyncio.create_task(raw.run())
        await settle()
        assert engine.num_open == 1
        raw.leave()
        await settle()
        assert engine.num_open == 0
        assert answering.done()
        await answering
        assert [m for m in raw.sent if m["type"] == "http.response.body" and m.get("body")] == []

    asyncio.run(play())


def test_client_leaving_inside_a_stream_closes_the_generator_within_one_step() -> None:
    async def play() -> None:
        engine = FakeEngine(["token "] * 1000)
        raw = RawRequest(make_app(engine), BODIES[1])
        num_bodies = 0

        async def leave_after_third(message: Message) -> None:
            nonlocal num_bodies
            num_bodies += message["type"] == "http.response.body"
            if num_bodies == 3:
                raw.leave()

        raw.on_send = leave_after_third
        await raw.run()
        assert engine.num_open == 0
        assert engine.num_steps <= 4
        assert num_bodies <= 4

    asyncio.run(play())


@pytest.mark.parametrize("body", BODIES)
def test_closed_socket_closes_the_generator_under_uvicorn(body: object) -> None:
    engine = FakeEngine([asyncio.Event(), "never"])
    with serve_in_thread(engine) as url:
        host, port = url.removeprefix("http://").split(":")
        content = json.dumps(body).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head.encode() + content)
            assert engine.begun.wait(10)
            assert not engine.ended.is_set()
        assert engine.ended.wait(10)


@pytest.mark.parametrize("body", BODIES)
def test_cancelled_server_task_closes_the_generator(body: object) -> None:
    async def play() -> None:
        engine = FakeEngine([asyncio.Event(), "never"])
        answering = asyncio.create_task(RawRequest(make_app(engine), body).run())
        await settle()
        answering.cancel()
        await asyncio.wait({answering})
        assert answering.cancelled()
        assert engine.num_open == 0

    asyncio.run(play())


def test_connection_that_breaks_while_sending_closes_the_generator() -> None:
    async def play() -> None:
        engine = FakeEngine(["token "] * 1000)
        raw = RawRequest(make_app(engine), BODIES[1])

        async def break_at_second(message: Message) -> None:
            if len(raw.sent) == 3:
                raise OSError("broken pipe")

        raw.on_send = break_at_second
        await raw.run()
        assert engine.num_open == 0
        assert engine.num_steps <= 3

    asyncio.run(play())


def test_finished_requests_leave_no_task_behind() -> None:
    async def play() -> None:
        engine = FakeEngine()
        for body in BODIES:
            await RawRequest(make_app(engine), body).run()
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert engine.num_open == 0

    asyncio.run(play())


def test_one_failing_request_does_not_touch_another() -> None:
    async def play() -> None:
        gate = asyncio.Event()
        engine = FakeEngine([gate, "done"])
        app = make_app(engine)
        patient, failing = RawRequest(app, BODIES[0]), RawRequest(app, BODIES[0])
        answering = asyncio.create_task(patient.run())
        await settle()
        engine.script = (RuntimeError("broken"),)
        await failing.run()
        gate.set()
        await answering
        assert failing.sent[0]["status"] == 500
        assert patient.sent[0]["status"] == 200

    asyncio.run(play())


@pytest.mark.parametrize("body", BODIES)
def test_disconnect_is_logged_as_499(body: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fimserve.server")

    async def play() -> None:
        raw = RawRequest(make_app(FakeEngine([asyncio.Event(), "never"])), body)
        answering = asyncio.create_task(raw.run())
        await settle()
        raw.leave()
        await answering

    asyncio.run(play())
    (line,) = [record.getMessage() for record in caplog.records]
    assert "status=499" in line
    assert "finish=ClientDisconnected" in line
