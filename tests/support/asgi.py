"""Drives an application in this process, without sockets: plain calls, and one raw ASGI request.

`request` is what most tests need; `RawRequest` is for the tests that watch single messages, such
as a client that leaves in the middle of an answer.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
from fastapi import FastAPI
from starlette.types import Message, Scope

from fimserve.server.app import make_app
from fimserve.server.service import CompletionEngine
from fimserve.server.settings import ServerSettings


def request(
    engine: CompletionEngine,
    method: str,
    path: str,
    settings: ServerSettings | None = None,
    **options: object,
) -> httpx.Response:
    """Return the answer of a fresh application to one request.

    Args:
        engine: What completes.
        method: HTTP method.
        path: Path of the request.
        settings: Settings of the service.
        **options: Passed on to httpx, such as json, content or headers.
    """

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(engine, settings), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(call())


def post(
    engine: CompletionEngine, body: object, settings: ServerSettings | None = None
) -> httpx.Response:
    """Return the answer to a completion request with this JSON body.

    Args:
        engine: What completes.
        body: The JSON body.
        settings: Settings of the service.
    """
    return request(engine, "POST", "/v1/completions", settings, json=body)


class RawRequest:
    """One completion request whose client can leave at any moment.

    Args:
        app: The application.
        body: The JSON body.
        path: Path of the request.
    """

    def __init__(self, app: FastAPI, body: object, path: str = "/v1/completions") -> None:
        self._app = app
        self._path = path
        self._body = json.dumps(body).encode()
        self._is_body_read = False
        self._left = asyncio.Event()
        self.sent: list[Message] = []
        self.on_send: Callable[[Message], Awaitable[None]] | None = None

    async def run(self) -> None:
        """Let the application answer, to the end."""
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await self._app(scope, self._receive, self._send)

    def leave(self) -> None:
        """Close the client's end of the connection."""
        self._left.set()

    async def _receive(self) -> Message:
        if not self._is_body_read:
            self._is_body_read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if self.on_send is not None:
            await self.on_send(message)
