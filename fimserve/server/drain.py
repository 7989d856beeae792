"""Stopping without dropping anybody: who is being answered is answered, who comes late is told.

An editor keeps its connection open between keystrokes. While the service drains, what arrives on
such a connection gets 503 and the connection's end, where a closed socket would be an error that
looks like a crash.
"""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from fimserve.server.errors import Draining

__all__ = ["Drain", "DrainGate"]

ANSWERED_TO_THE_END = frozenset({"/health", "/ready", "/metrics"})
"""Whoever watches the service sees it drain."""


@dataclass(slots=True)
class Drain:
    """Whether the service is stopping."""

    is_draining: bool = False


class DrainGate:
    """ASGI middleware that refuses new requests while the service drains.

    Args:
        app: What answers until then.
        drain: Whether it is time.
    """

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it.

        Args:
            scope: The request.
            receive: Handed on.
            send: Handed on.

        Raises:
            Draining: If the service is stopping.
        """
        is_request = scope["type"] == "http"
        if is_request and self._drain.is_draining and scope["path"] not in ANSWERED_TO_THE_END:
            raise Draining(
                "fimserve is stopping and takes no more requests.",
                headers={"connection": "close"},
            )
        await self._app(scope, receive, send)
