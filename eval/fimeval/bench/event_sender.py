"""Sends events from a process of its own, so that what it costs can be told from the server's cost.

It sends to the server, or the same bytes to a sink of its own, which reads each request and answers
200 without looking: what completions notice of that is the sender's doing. On other machines
senders would take nothing from the server's cores; here they run at the lowest priority, which is
as near as one machine comes.
"""

import asyncio
import multiprocessing
import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing.connection import Connection
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from fimeval.bench.event_supply import EventSupply

__all__ = ["EventSender", "Sending", "Sent"]

TIMEOUT_S = 60.0
LOWEST_PRIORITY = 19


@dataclass(frozen=True, slots=True)
class Sending:
    """What is sent in one stretch."""

    url: str | None
    """Address of the server; None sends to the sink."""
    key: str | None
    rate: float
    """Events per second."""
    batch_events: int
    num_batches: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of it."""

    num_events: int
    """Events acknowledged."""
    num_failed: int
    """Batches that were not answered 200."""
    cpu_s: float
    """CPU time of the sender, the sink's with it."""
    latencies_ms: list[float]
    """Of the batches answered 200, from when they were due."""


class _Delivered(NamedTuple):
    """A batch that was answered."""

    num_accepted: int
    latency_ms: float


class EventSender:
    """Sends whenever told to.

    Args:
        seed: Decides the values of the events.
    """

    def __init__(self, seed: int) -> None:
        # A fresh process: a copy of this one would have its event loop and threads.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_follow_orders, args=(theirs, seed), daemon=True)

    def __enter__(self) -> Self:
        """Start the process."""
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()

    async def begin(self, sending: Sending) -> None:
        """Begin to send; the batches have been made when this returns.

        Args:
            sending: What is sent.
        """
        self._pipe.send(sending)
        await asyncio.to_thread(self._pipe.recv)

    async def finish(self) -> Sent:
        """Wait for the last answer and return what became of the events."""
        sent = await asyncio.to_thread(self._pipe.recv)
        assert isinstance(sent, Sent)
        return sent


def _follow_orders(pipe: Connection, seed: int) -> None:
    os.nice(LOWEST_PRIORITY)
    supply = EventSupply(seed)
    while True:
        pipe.send(asyncio.run(_send_stretch(pipe.recv(), pipe, supply)))


async def _send_stretch(sending: Sending, pipe: Connection, supply: EventSupply) -> Sent:
    headers = {"authorization": f"Bearer {sending.key}"} if sending.key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    sink = await asyncio.start_server(_swallow, "127.0.0.1", 0)
    port = sink.sockets[0].getsockname()[1]
    async with (
        sink,
        httpx.AsyncClient(
            base_url=sending.url or f"http://127.0.0.1:{port}",
            headers=headers, limits=limits, timeout=TIMEOUT_S, trust_env=False,
        ) as client,
    ):  # fmt: skip
        batches = [
            client.build_request("POST", "/v1/events", json=supply.make_batch(sending.batch_events))
            for _ in range(sending.num_batches)
        ]
        pipe.send(None)
        before_s = time.process_time()
        deliveries = await _send_when_due(client, sending, batches)
        cpu_s = time.process_time() - before_s
    answered = [one for one in deliveries if one is not None]
    return Sent(
        num_events=sum(one.num_accepted for one in answered),
        num_failed=len(deliveries) - len(answered),
        cpu_s=cpu_s,
        latencies_ms=[one.latency_ms for one in answered],
    )


async def _send_when_due(
    client: httpx.AsyncClient, sending: Sending, batches: list[httpx.Request]
) -> list[_Delivered | None]:
    interval_s, started_s = sending.batch_events / sending.rate, time.monotonic()
    deliveries = []
    for number, batch in enumerate(batches):
        due_s = started_s + number * interval_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        deliveries.append(asyncio.create_task(_deliver(client, batch, due_s)))
    return await asyncio.gather(*deliveries)


async def _deliver(
    client: httpx.AsyncClient, batch: httpx.Request, due_s: float
) -> _Delivered | None:
    """Return what became of a batch; None where it was not answered 200."""
    try:
        answer = await client.send(batch)
    except httpx.HTTPError:
        return None
    if answer.status_code != HTTPStatus.OK:
        return None
    return _Delivered(int(answer.json()["accepted"]), (time.monotonic() - due_s) * 1000)


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests and answer that none of their events was new."""
    body = b'{"accepted":0}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            writer.write(answer)
            await writer.drain()
    except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
        writer.close()  # cancelled at the end of a stretch, when nobody waits for anything
