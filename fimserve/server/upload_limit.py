"""ASGI middleware that bounds the size and the time of every request's body, whoever reads it.

A client that sends a byte per second would otherwise hold its connection, and whatever waits for
the body, for as long as it likes.
"""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from fimserve.server.errors import BodyTooLarge, BodyTooSlow
from fimserve.server.settings import ServerSettings

__all__ = ["UploadLimit"]


class UploadLimit:
    """Watches bodies arrive.

    Args:
        app: What answers.
        settings: The limits.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Hand a request on; whoever reads past a limit gets the refusal.

        Args:
            scope: Handed on.
            receive: Source of the body.
            send: Handed on.
        """
        if scope["type"] == "http":
            receive = Upload(receive, self._settings).receive
        await self._app(scope, receive, send)


class Upload:
    """One body on its way.

    Args:
        receive: Source of the body.
        settings: The limits.
    """

    def __init__(self, receive: Receive, settings: ServerSettings) -> None:
        self._receive = receive
        self._settings = settings
        self._deadline_s = time.monotonic() + settings.body_timeout_s
        self._num_bytes = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """Return the next message of the connection.

        Returns:
            A piece of the body, or the news that the client left.

        Raises:
            BodyTooLarge: If the body goes past its limit.
            BodyTooSlow: If the body is not whole in time.
        """
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout(self._deadline_s - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow(
                f"The body was not whole after {self._settings.body_timeout_s:g} s.",
                headers={"connection": "close"},
            ) from None
        self._num_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._num_bytes > self._settings.max_body_bytes:
            limit = self._settings.max_body_bytes
            raise BodyTooLarge(
                f"The body goes past {limit} bytes; the limit is {limit} bytes. "
                "Send less around the cursor.",
                headers={"connection": "close"},
            )
        return message
