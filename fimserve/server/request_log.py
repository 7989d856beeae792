"""One id and one log line per request, and the last net under every route.

The line holds sizes, times and ids, never text. An exception that no handler answered is logged
with its stack under the request's id; the client gets the id and nothing else.
"""

import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fimserve.engine import Usage
from fimserve.server.dialect import ErrorShapes
from fimserve.server.errors import CLIENT_CLOSED_REQUEST, ClientDisconnected, InternalError

__all__ = ["RequestLog", "RequestRecord", "record_of"]

logger = logging.getLogger(__name__)

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Request ids that are taken over from a client; anything else is replaced."""

QUIET_PATHS = frozenset({"/health"})
"""Polled every few seconds by whoever watches the service: logged at DEBUG."""


@dataclass(slots=True)
class RequestRecord:
    """What becomes known of one request while it is answered."""

    request_id: str
    started_s: float = field(default_factory=time.monotonic)
    status: int | None = None
    is_streamed: bool = False
    usage: Usage | None = None
    finish: str | None = None
    """Finish reason, or the name of the error that ended the request."""

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the first byte of the request."""
        return (time.monotonic() - self.started_s) * 1000.0


def record_of(request: Request) -> RequestRecord:
    """Return the record that the log line of this request is made of."""
    return cast(RequestRecord, request.state.record)


class RequestLog:
    """ASGI middleware around the whole application.

    Args:
        app: What answers.
        error_shapes: How a failure is said on which path.
    """

    def __init__(self, app: ASGIApp, error_shapes: ErrorShapes) -> None:
        self._app = app
        self._error_shapes = error_shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens.

        Args:
            scope: The request line and headers.
            receive: Source of the body and of the news that the client left.
            send: Where the answer goes.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(_request_id(scope))
        scope.setdefault("state", {})["record"] = record

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = record.request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnected:
            record.status = CLIENT_CLOSED_REQUEST
            record.finish = ClientDisconnected.__name__
        except Exception as error:
            record.finish = type(error).__name__
            logger.exception("request_id=%s failed", record.request_id)
            if record.status is None:
                failure = InternalError(f"fimserve failed; see request {record.request_id}.")
                answer = self._error_shapes.of(scope["path"])(failure)
                await answer(scope, receive, send_with_id)
        finally:
            _log(scope, record)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if ACCEPTED_ID.fullmatch(given) else f"req-{secrets.token_hex(8)}"


def _log(scope: Scope, record: RequestRecord) -> None:
    # The route's own path, never the client's: that one may hold anything.
    path = getattr(scope.get("route"), "path", "unmatched")
    parts = [
        f"request_id={record.request_id}",
        f"route={path}",
        f"status={record.status}",
        f"stream={int(record.is_streamed)}",
    ]
    if record.usage is not None:
        usage = record.usage
        parts += [
            f"prompt_tokens={usage.prompt_tokens}",
            f"cached_tokens={usage.cached_tokens}",
            f"new_tokens={usage.completion_tokens}",
            f"queue_ms={usage.queue_ms:.1f}",
            f"ttft_ms={usage.ttft_ms:.1f}",
        ]
    parts += [f"e2e_ms={record.elapsed_ms:.1f}", f"finish={record.finish or '-'}"]
    logger.log(logging.DEBUG if path in QUIET_PATHS else logging.INFO, " ".join(parts))
