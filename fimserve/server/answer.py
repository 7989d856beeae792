"""Answers: compact JSON bodies, OpenAI's error shape, and records streamed as they come.

Knows HTTP framing and nothing of completions. The OpenAI shape is also what a path that belongs
to no dialect answers with.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from fimserve.server.errors import ServerError

__all__ = ["RecordStream", "encode_record", "openai_error", "openai_error_body"]

OPENAI_TYPES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
"""Types of errors that have one of their own."""


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
"""Made once: a stream has a record for every token."""


class RecordStream(Response):
    """Sends records as they are made; the first one is awaited before the status is sent.

    So a failure before the first record is still an ordinary refusal with its own status. A
    failure after it is for `records` to put into words.

    Args:
        records: Encoded records; closed when the answer ends, for whatever reason.
        media_type: Content type of the answer.
    """

    def __init__(self, records: AsyncGenerator[bytes], media_type: str) -> None:
        self._records = records
        self.status_code = HTTPStatus.OK
        self.media_type = media_type
        self.background = None
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer.

        Args:
            scope: Not used.
            receive: Not used: `records` itself watches for the client leaving.
            send: Where the answer goes.
        """
        async with aclosing(self._records) as records:
            is_started = False
            async for record in records:
                if not is_started:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": self.raw_headers,
                        }
                    )
                    is_started = True
                await send({"type": "http.response.body", "body": record, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def encode_record(record: object) -> bytes:
    """Return record as compact JSON on one line of ASCII.

    ASCII because some clients break lines at U+0085, U+2028 and U+2029, which JSON allows raw.
    """
    return _ENCODER.encode(record).encode("ascii")


def openai_error(error: ServerError) -> JSONResponse:
    """Return the whole answer for an error in OpenAI's shape."""
    return JSONResponse(openai_error_body(error), int(error.status), error.headers)


def openai_error_body(error: ServerError) -> dict[str, object]:
    """Return the body that says an error in OpenAI's shape."""
    return {
        "error": {
            "message": error.message,
            "type": _openai_type(error.status),
            "param": error.param,
            "code": error.code,
        }
    }


def _openai_type(status: int) -> str:
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return OPENAI_TYPES.get(status, "server_error" if is_ours else "invalid_request_error")
