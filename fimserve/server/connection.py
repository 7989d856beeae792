"""One HTTP connection, with bounds on what comes before a request is one.

uvicorn's httptools protocol reads a request line and headers of any size and waits for them for
ever. The application cannot help: it is not asked yet. How many connections there are is for
`guests.py` to say.
"""

import json
from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fimserve.server.answer import openai_error_body
from fimserve.server.errors import BadRequest, EngineUnavailable, HeadersTooLarge, ServerError
from fimserve.server.guests import Guest, Guests, Stage
from fimserve.server.settings import ServerSettings

__all__ = ["BoundedConnection"]

LINGER_S = 1.0
"""Time in which a refused client may read why: closing at once, with its bytes unread, would reset
the connection and lose the answer."""

REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, which refuses what goes past the settings.

    Args:
        settings: The bounds.
        guests: Who is connected.
        guest: Whose connection this is.
        **uvicorn: What uvicorn gives to its protocols.
    """

    def __init__(
        self, settings: ServerSettings, guests: Guests, guest: Guest, **uvicorn: Any
    ) -> None:
        super().__init__(**uvicorn)
        self._settings = settings
        self._guests = guests
        self._guest = guest
        self._timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._is_refused = False
        self._is_in_head = False
        self._head_bytes = 0
        self._pending_bytes = 0
        """What arrived of a head that is not whole: the parser keeps a header until it ends."""

    @property
    def stage(self) -> Stage:
        """Whether a request is awaited, being answered, or neither."""
        if self.cycle is not None and not self.cycle.response_complete:
            return "busy"
        return "waiting" if self._is_in_head or self.cycle is None else "idle"

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, or refuse one connection too many.

        Args:
            transport: The socket.
        """
        super().connection_made(transport)
        self._guest.find_stage = lambda: self.stage
        self._guest.show_out = transport.abort
        if self._guest.is_refused:
            limit = self._settings.max_connections
            self._refuse(EngineUnavailable(f"{limit} connections are open, which is the limit."))
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """End.

        Args:
            exc: Why.
        """
        self._guests.leave(self._guest)
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the client has been refused.

        Args:
            data: What arrived.
        """
        if self._is_refused:
            return
        if self.cycle is None or self.cycle.response_complete:
            self._start_timer()
        # In a chunk that ends one request and begins the next, the parser alone tells them apart.
        is_all_head = self._is_in_head or self.cycle is None
        super().data_received(data)
        if not (self._is_in_head and is_all_head):
            self._pending_bytes = 0
            return
        self._pending_bytes += len(data)
        if self._pending_bytes > self._settings.max_header_bytes:
            self._refuse_head()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        self._stop_write_timer()
        limit_s = self._settings.write_timeout_s
        self._write_timer = self.loop.call_later(limit_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Write on."""
        self._stop_write_timer()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Read a piece of the request line.

        Args:
            url: The piece.
        """
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header.

        Args:
            name: Its name.
            value: Its value.
        """
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        if self._head_bytes <= self._settings.max_header_bytes:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or refuse it."""
        self._is_in_head = False
        if self._head_bytes > self._settings.max_header_bytes:
            self._refuse_head()
        if not self._is_refused:
            self._stop_timer()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Read a piece of the body.

        Args:
            body: The piece.
        """
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if not self._is_refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP.

        Args:
            msg: Not used: uvicorn's wording.
        """
        self._refuse(BadRequest("This is no HTTP request that can be understood."))

    def _refuse_head(self) -> None:
        limit = self._settings.max_header_bytes
        self._refuse(HeadersTooLarge(f"Request line and headers go past {limit} bytes."))

    def _refuse(self, error: ServerError) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._stop_timer()
        # An answer that is being written is cut off, not mixed with another.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_render(error))
        self._timer = self.loop.call_later(LINGER_S, self.transport.close)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(
                self._settings.header_timeout_s, self._close_for_silence
            )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _close_for_silence(self) -> None:
        self._timer = None
        self.transport.close()


def _render(error: ServerError) -> bytes:
    body = json.dumps(openai_error_body(error), separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **error.headers,
    }
    lines = [f"HTTP/1.1 {int(error.status)} {REASONS[int(error.status)]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
