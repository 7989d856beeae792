"""Accepts connections: counts each before anything is heard of it, and bounds its TLS handshake.

asyncio's own servers show a protocol its connection only after the handshake, for which they wait a
minute: a thousand that never finish theirs would be on no list. Knows nothing of HTTP.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from fimserve.server.guests import Guest, Guests

__all__ = ["Door"]

logger = logging.getLogger(__name__)

BATCH = 32
"""Connections that are accepted before everybody else has a turn."""

RETRY_S = 0.1
"""Pause where no connection can be accepted, for want of file descriptors as a rule."""

GOODBYE_S = 2.0
"""Time that the other end gets to end TLS from its side."""


class Door:
    """One listening socket, in the place of an `asyncio.Server`.

    Args:
        listener: Bound socket; closed at the end.
        guests: Who is connected.
        make_connection: Makes the protocol of a connection whose handshake, if there is one, is
            over.
        tls: Certificate and key; None speaks plainly.
        handshake_timeout_s: Time in which the handshake must be over.
        backlog: Connections that the system keeps until they are accepted.
    """

    def __init__(
        self,
        listener: socket.socket,
        guests: Guests,
        make_connection: Callable[[Guest], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        handshake_timeout_s: float,
        backlog: int,
    ) -> None:
        self.sockets = (listener,)
        self._guests = guests
        self._make_connection = make_connection
        self._options: dict[str, Any] = {}
        if tls is not None:
            self._options = {
                "ssl": tls,
                "ssl_handshake_timeout": handshake_timeout_s,
                "ssl_shutdown_timeout": GOODBYE_S,
            }
        self._loop = asyncio.get_running_loop()
        self._greetings: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        listener.listen(backlog)
        self._accepting = self._loop.create_task(self._accept(listener))

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._loop

    def close(self) -> None:
        """Accept nobody any more; whoever is inside stays."""
        self._accepting.cancel()
        for listener in self.sockets:
            listener.close()

    async def wait_closed(self) -> None:
        """Return once nobody is being let in."""
        await asyncio.wait({self._accepting, *self._greetings})

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            for _ in range(BATCH):
                try:
                    connection, peer = await self._loop.sock_accept(listener)
                except OSError:
                    await asyncio.sleep(RETRY_S)
                    continue
                self._let_in(connection, peer)
            await asyncio.sleep(0)

    def _let_in(self, connection: socket.socket, peer: Any) -> None:
        guest = self._guests.enter(str(peer[0]) if isinstance(peer, tuple) else "")
        greeting = self._loop.create_task(self._greet(connection, guest))
        guest.show_out = greeting.cancel  # until the connection is a protocol's
        self._greetings.add(greeting)

        def end(ended: asyncio.Task[None]) -> None:
            self._greetings.discard(ended)
            if ended.cancelled() or ended.exception() is not None:
                self._guests.leave(guest)
                connection.close()
                _report_defect(ended)

        greeting.add_done_callback(end)

    async def _greet(self, connection: socket.socket, guest: Guest) -> None:
        await self._loop.connect_accepted_socket(
            lambda: self._make_connection(guest), connection, **self._options
        )


def _report_defect(greeting: asyncio.Task[None]) -> None:
    error = None if greeting.cancelled() else greeting.exception()
    # A handshake that fails or takes too long is an OSError, and no news.
    if error is not None and not isinstance(error, OSError):
        logger.error("a connection could not be let in", exc_info=error)
