"""uvicorn as fimserve runs it: bounded connections, TLS, and a drain that drops nobody.

Told to stop, it takes no new connections at once; on those that are open, who is being answered
is answered, and who asks anew gets 503 and the end of the connection. Only then are they closed.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import cast

import uvicorn
from fastapi import FastAPI

from fimserve.server.connection import BoundedConnection
from fimserve.server.door import Door
from fimserve.server.guests import Guest, Guests
from fimserve.server.service import Service

__all__ = ["HttpServer"]

KEEP_ALIVE_S = 60
"""Idle time after which a connection is closed: longer than a programmer's pause for thought."""

GRACE_S = 1.0
"""Time in which a request that was on its way when the service was told to stop gets its 503."""

POLL_S = 0.05

LOOPBACK = "127.0.0.1"


class HttpServer(uvicorn.Server):
    """Serves one application.

    Args:
        app: What `make_app` made.
        on_ready: Called once connections are taken.
    """

    def __init__(self, app: FastAPI, on_ready: Callable[[], None] = lambda: None) -> None:
        self._service = cast(Service, app.state.service)
        self._on_ready = on_ready
        settings = self._service.settings
        self._guests = Guests(settings.max_connections)
        super().__init__(
            uvicorn.Config(
                app,
                port=0,
                http=BoundedConnection,
                log_config=None,
                # One line a request is written by the application, with an id and without text.
                access_log=False,
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                # The drain below has had its time; what is left then is cancelled.
                timeout_graceful_shutdown=1,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
                ssl_version=ssl.PROTOCOL_TLS_SERVER,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections.

        Args:
            sockets: Bound sockets; None binds a free port of loopback.
        """
        await super().startup([])  # all but the listening, which is for doors
        for listener in sockets or [socket.create_server((LOOPBACK, 0))]:
            door = Door(
                listener,
                self._guests,
                self._make_connection,
                self.config.ssl,
                self._service.settings.header_timeout_s,
                self.config.backlog,
            )
            self.servers.append(cast(asyncio.base_events.Server, door))
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close.

        Args:
            sockets: What to close first.
        """
        self._service.drain.is_draining = True
        for server in self.servers:
            server.close()
        await self._drain()
        await super().shutdown(sockets)

    def _make_connection(self, guest: Guest) -> BoundedConnection:
        return BoundedConnection(
            self._service.settings,
            self._guests,
            guest,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    async def _drain(self) -> None:
        began_s = time.monotonic()
        settings = self._service.settings
        while self.server_state.connections and not self.force_exit:
            waited_s = time.monotonic() - began_s
            limit_s = settings.drain_s if self.server_state.tasks else GRACE_S
            if waited_s >= min(limit_s, settings.drain_s):
                return
            await asyncio.sleep(POLL_S)
