"""Events wait for a gap between completions, and no longer than they have to."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from fimserve.server.app import make_app
from fimserve.server.right_of_way import MAX_HELD_BYTES, GiveWay, RightOfWay
from fimserve.server.service import Service
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.stored import read_stored

LONG_S = 60.0
COMPLETION = {"prompt": "def area(r):\n    return "}
EVENTS = {"events": [{"id": "e-1", "type": "requested", "at_ms": 1_700_000_000_000}]}
TABBY = {"type": "view", "completion_id": "cmpl-1", "choice_index": 0}


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


def test_who_comes_into_a_gap_does_not_wait() -> None:
    async def play() -> None:
        right_of_way = RightOfWay(LONG_S)
        await right_of_way.wait()
        with right_of_way.taken():
            pass
        await right_of_way.wait()

    run(play)


def test_the_gap_begins_when_the_last_one_has_ended() -> None:
    async def play() -> None:
        right_of_way = RightOfWay(LONG_S)
        with right_of_way.taken():
            with right_of_way.taken():
                waiting = [asyncio.create_task(right_of_way.wait()) for _ in range(2)]
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            assert not any(one.done() for one in waiting)
        await asyncio.gather(*waiting)

    run(play)


def test_a_gap_that_is_over_before_anybody_has_used_it_is_none() -> None:
    async def play() -> None:
        right_of_way = RightOfWay(LONG_S)
        with right_of_way.taken():
            waiting = asyncio.create_task(right_of_way.wait())
            await asyncio.sleep(0.01)
        with right_of_way.taken():
            await asyncio.sleep(0.01)
            assert not waiting.done()
        await waiting

    run(play)


def test_a_failed_completion_gives_the_way_back() -> None:
    async def play() -> None:
        right_of_way = RightOfWay(LONG_S)
        with pytest.raises(ValueError, match="broken"), right_of_way.taken():
            raise ValueError("broken")
        await right_of_way.wait()

    run(play)


class GiveWayCall(NamedTuple):
    """A request on its way through the middleware."""

    right_of_way: RightOfWay
    heard: list[Message]
    start: Callable[[], Coroutine[Any, Any, None]]


def send_in_parts(sent: asyncio.Queue[Message]) -> GiveWayCall:
    """Return a call of the middleware whose app takes what it receives until the body ends."""
    right_of_way = RightOfWay(LONG_S)
    heard: list[Message] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while True:
            heard.append(await receive())
            if not heard[-1].get("more_body", False):
                return

    async def send(_message: Message) -> None:
        raise AssertionError("this app answers nothing")

    gives_way = GiveWay(app, right_of_way, ["/v1/events"])
    return GiveWayCall(
        right_of_way,
        heard,
        lambda: gives_way({"type": "http", "path": "/v1/events"}, sent.get, send),
    )


def part(body: bytes, *, more_body: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more_body}


def test_who_sends_and_leaves_while_it_waits_is_heard() -> None:
    parts = [part(b"[1,", more_body=True), part(b"2]", more_body=False)]

    async def play() -> None:
        sent: asyncio.Queue[Message] = asyncio.Queue()
        call = send_in_parts(sent)
        with call.right_of_way.taken():
            waiting = asyncio.create_task(call.start())
            for one in parts:
                sent.put_nowait(one)
            while not sent.empty():  # what the server has is what it has taken before one leaves
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            assert call.heard == []
        await waiting
        assert call.heard == parts

    run(play)


def test_a_body_that_does_not_come_waits_no_longer_than_the_limit() -> None:
    async def play() -> None:
        sent: asyncio.Queue[Message] = asyncio.Queue()
        call = send_in_parts(sent)
        call.right_of_way.max_wait_s = 0.02
        with call.right_of_way.taken():
            sent.put_nowait(part(b"[", more_body=True))
            reading = asyncio.create_task(call.start())
            while not call.heard:  # past the wait, at the app, which reads on
                await asyncio.sleep(0.01)
            sent.put_nowait(part(b"]", more_body=False))
            await reading
        assert [one["body"] for one in call.heard] == [b"[", b"]"]

    run(play)


def test_of_a_large_body_the_beginning_is_taken_in_ahead() -> None:
    async def play() -> None:
        sent: asyncio.Queue[Message] = asyncio.Queue()
        call = send_in_parts(sent)
        with call.right_of_way.taken():
            waiting = asyncio.create_task(call.start())
            for _ in range(5):
                sent.put_nowait(part(bytes(MAX_HELD_BYTES // 2), more_body=True))
            sent.put_nowait(part(b"", more_body=False))
            await asyncio.sleep(0.01)
            assert sent.qsize() == 4
        await waiting
        assert len(call.heard) == 6

    run(play)


def serve(url: str, gate: asyncio.Event, max_wait_s: float) -> tuple[FastAPI, FakeEngine]:
    """Return a service whose completions end when the gate is open."""
    engine = FakeEngine([gate, "x"])
    app = make_app(engine, event_store=open_event_store(TelemetrySettings(url=url)))
    service: Service = app.state.service
    service.right_of_way.max_wait_s = max_wait_s
    return app, engine


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/events", EVENTS), ("/v1/events", TABBY), ("/tabby/v1/events", TABBY)]
)
def test_events_are_stored_once_the_completion_is_done(
    tmp_path: Path, path: str, body: dict[str, object]
) -> None:
    url = f"sqlite:///{tmp_path}/events.db"

    async def play() -> None:
        gate = asyncio.Event()
        app, engine = serve(url, gate, LONG_S)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            completing = asyncio.create_task(client.post("/v1/completions", json=COMPLETION))
            while not engine.num_open:
                await asyncio.sleep(0)
            sending = asyncio.create_task(client.post(path, json=body))
            assert (await client.get("/health")).status_code == 200
            await asyncio.sleep(0.05)
            assert not sending.done()
            assert read_stored(url) == {}
            gate.set()
            assert (await completing).status_code == 200
            assert (await sending).status_code == 200
        app.state.service.events.close()

    run(play)
    assert sum(map(len, read_stored(url).values())) == 1


def test_events_beside_completions_without_end_are_stored_all_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"

    async def play() -> None:
        gate = asyncio.Event()
        app, engine = serve(url, gate, 0.02)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            completing = asyncio.create_task(client.post("/v1/completions", json=COMPLETION))
            while not engine.num_open:
                await asyncio.sleep(0)
            answer = await client.post("/v1/events", json=EVENTS)
            assert answer.json() == {"accepted": 1, "duplicates": 0}
            assert not completing.done()
            gate.set()
            await completing
        app.state.service.events.close()

    run(play)
    assert read_stored(url) == {"local": ["e-1"]}
