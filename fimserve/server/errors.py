"""Every error that the service answers with, and the HTTP status each one becomes.

    ServerError
    ├── BadRequest              400  malformed body, wrong type, value out of range
    │   ├── UnsupportedField    400  a field that is understood and cannot be honoured
    │   └── BodyTooSlow         400  the body did not arrive in time (OpenAI's client repeats a 408)
    ├── Unauthenticated         401  no API key, or none that is valid
    ├── NotAllowed              403  a key without the scope that the path needs; a foreign page
    ├── UnknownRoute            404
    ├── UnknownModel            404
    ├── UnknownExperiment       404  no such experiment, or it has not begun
    ├── EventsOff               404  the operator stores no events
    ├── MethodNotAllowed        405
    ├── BodyTooLarge            413
    ├── HeadersTooLarge         431
    ├── EngineBusy              429  cannot answer in time; Retry-After says when
    ├── TooManyRequests         429  more than this API key may send
    │   └── TooManyFailures     429  an address that sends wrong keys, or none, again and again
    ├── RequestCancelled        499  the engine gave the request up
    ├── InternalError           500
    ├── EventsUnavailable       503  nothing was stored; Retry-After says when to send again
    └── EngineUnavailable       503  stopping, or just started anew
        └── Draining            503  stopping; another replica may answer
    ClientDisconnected          499  nobody is left to answer: logged, never sent

Errors of the rooms below are translated in `run.py`; an exception that nobody translated becomes
`InternalError`. Messages name the field, its value and the limit; they never hold a path of this
machine, an address or a stack. A dialect's route file gives an error the dialect's shape.
"""

import reprlib
from http import HTTPStatus
from typing import ClassVar

__all__ = [
    "BadRequest",
    "BodyTooLarge",
    "BodyTooSlow",
    "ClientDisconnected",
    "Draining",
    "EngineBusy",
    "EngineUnavailable",
    "EventsOff",
    "EventsUnavailable",
    "HeadersTooLarge",
    "InternalError",
    "MethodNotAllowed",
    "NotAllowed",
    "RequestCancelled",
    "ServerError",
    "TooManyFailures",
    "TooManyRequests",
    "Unauthenticated",
    "UnknownExperiment",
    "UnknownModel",
    "UnknownRoute",
    "UnsupportedField",
    "shorten",
]

CLIENT_CLOSED_REQUEST = 499
"""Status of a request that its own sender gave up. No client retries it."""

MAX_SHOWN_CHARS = 40
"""Longest piece of a client's value that an error message repeats."""


class ServerError(Exception):
    """A refusal or failure that has an HTTP status.

    Args:
        message: What is wrong, with the value, the limit and the remedy.
        param: Name of the field at fault.
        code: Stable name of the error for programs, where the class's own is too wide.
        headers: Further headers of the answer.

    Attributes:
        status: HTTP status that the class stands for.
        default_code: Code of the class.
    """

    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    default_code: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.headers = self._standing_headers() | (headers or {})

    def _standing_headers(self) -> dict[str, str]:
        # Repeating a completion would only bring a stale one.
        if self.status == CLIENT_CLOSED_REQUEST:
            return {"x-should-retry": "false"}
        if self.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            return {"x-should-retry": "false", "retry-after": "1"}
        return {}


class BadRequest(ServerError):
    """The request cannot be understood or asks for an impossible value."""

    status = HTTPStatus.BAD_REQUEST
    default_code = "invalid_value"


class UnsupportedField(BadRequest):
    """The request asks for something that this version does not do."""

    default_code = "unsupported_value"


class BodyTooSlow(BadRequest):
    """The body was not whole in time."""

    default_code = "body_timeout"


class Unauthenticated(ServerError):
    """The request carries no API key that is valid."""

    status = HTTPStatus.UNAUTHORIZED
    default_code = "invalid_api_key"

    def _standing_headers(self) -> dict[str, str]:
        return {"www-authenticate": "Bearer"}


class NotAllowed(ServerError):
    """Who asks is known, and may not do this."""

    status = HTTPStatus.FORBIDDEN
    default_code = "insufficient_scope"


class UnknownRoute(ServerError):
    """No route has this path."""

    status = HTTPStatus.NOT_FOUND
    default_code = "unknown_route"


class UnknownModel(ServerError):
    """The request names a model that is not served."""

    status = HTTPStatus.NOT_FOUND
    default_code = "model_not_found"


class UnknownExperiment(ServerError):
    """The request names an experiment that there is not, or that nobody has been in yet."""

    status = HTTPStatus.NOT_FOUND
    default_code = "experiment_not_found"


class EventsOff(ServerError):
    """The operator has switched events off."""

    status = HTTPStatus.NOT_FOUND
    default_code = "events_off"


class MethodNotAllowed(ServerError):
    """The path exists, the method does not."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    default_code = "method_not_allowed"


class BodyTooLarge(ServerError):
    """The body is longer than the cap."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"


class HeadersTooLarge(ServerError):
    """Request line and headers are longer than the cap."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    default_code = "headers_too_large"


class ClientDisconnected(Exception):
    """The client closed its connection before the answer was complete."""


class EngineBusy(ServerError):
    """Too many requests wait for this one to be answered in time."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "rate_limit_exceeded"


class TooManyRequests(ServerError):
    """The API key has sent more than it may."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "rate_limit_exceeded"


class TooManyFailures(TooManyRequests):
    """An address has been refused too often for want of a good key."""

    default_code = "too_many_failures"


class RequestCancelled(ServerError):
    """The engine ended the request before it was complete, for instance for a newer one."""

    status = CLIENT_CLOSED_REQUEST
    default_code = "request_cancelled"


class InternalError(ServerError):
    """Something is wrong in fimserve itself."""


class EngineUnavailable(ServerError):
    """The engine takes no requests now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"


class EventsUnavailable(ServerError):
    """Events can be stored nowhere at the moment; the same batch may come again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "events_unavailable"

    def __init__(self, message: str, retry_after_s: int) -> None:
        again = {"retry-after": str(retry_after_s), "x-should-retry": "true"}
        super().__init__(message, headers=again)


class Draining(EngineUnavailable):
    """The service is stopping and takes no new requests."""

    default_code = "stopping"


def shorten(value: object) -> str:
    """Return value as a message may repeat it: quoted, on one line, at most 40 characters."""
    shown = _brief.repr(value)
    return shown if len(shown) <= MAX_SHOWN_CHARS else shown[: MAX_SHOWN_CHARS - 1] + "…"


# Looks at the ends of long values only: a body of a megabyte is not spelt out to be cut.
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = MAX_SHOWN_CHARS
