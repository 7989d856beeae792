"""One id and one log line per request, and the last net under every route.

The line holds sizes, times and ids, never text. An exception that no handler answered is logged
with its stack under the request's id; the client gets the id and nothing else. A refusal by what
stands before the routes is answered here, in the shape of its path.
"""

import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fimserve.server.dialect import ErrorShapes
from fimserve.server.errors import (
    CLIENT_CLOSED_REQUEST,
    ClientDisconnected,
    InternalError,
    ServerError,
    TooManyFailures,
)
from fimserve.server.metrics import Metrics
from fimserve.server.request_record import RequestRecord, record_of

__all__ = ["RequestLog", "RequestRecord", "record_of"]

logger = logging.getLogger(__name__)

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Request ids that are taken over from a client; anything else is replaced."""

CLOSED_TRANSPORT = "the handler is closed"
"""What uvloop says where a client has reset its connection and uvicorn has not been told yet."""

QUIET_ROUTES = frozenset({"/health", "/v1/health", "/tabby/v1/health", "/ready", "/metrics"})
"""Polled every few seconds by whoever watches the service: logged at DEBUG."""


class RequestLog:
    """ASGI middleware around the whole application.

    Args:
        app: What answers.
        error_shapes: How a failure is said on which path.
        metrics: Where a request is counted once it has ended.
    """

    def __init__(self, app: ASGIApp, error_shapes: ErrorShapes, metrics: Metrics) -> None:
        self._app = app
        self._error_shapes = error_shapes
        self._metrics = metrics

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
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = record.request_id
                if record.served is not None:
                    headers.update(record.served.headers)
            try:
                await send(message)
            except RuntimeError as error:
                if CLOSED_TRANSPORT not in str(error):
                    raise
                raise ClientDisconnected("The client reset the connection.") from error

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnected as error:
            record.status = CLIENT_CLOSED_REQUEST
            record.note_error(error)
        except Exception as error:
            failure = self._fail(error, record)
            if record.status is None:
                answer = self._error_shapes.of(scope["path"])(failure)
                await answer(scope, receive, send_with_id)
        finally:
            record.note_route(scope)
            self._metrics.observe(record)
            _log(record)

    def _fail(self, error: Exception, record: RequestRecord) -> ServerError:
        """Log what went wrong and return what the client is told of it."""
        record.finish = None  # what ends the request now counts
        record.note_error(error)
        if isinstance(error, ServerError) and error.status != InternalError.status:
            return error
        logger.error("request_id=%s failed", record.request_id, exc_info=error)
        return InternalError(f"fimserve failed; see request {record.request_id}.")


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if ACCEPTED_ID.fullmatch(given) else f"req-{secrets.token_hex(8)}"


def _log(record: RequestRecord) -> None:
    fields = record.describe()
    is_quiet = record.route in QUIET_ROUTES or record.refusal == TooManyFailures.default_code
    level = logging.DEBUG if is_quiet else logging.INFO
    # `fields` is for a log of JSON objects.
    line = " ".join(f"{name}={value}" for name, value in fields.items())
    logger.log(level, line, extra={"fields": fields})
