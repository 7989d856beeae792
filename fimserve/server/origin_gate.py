"""ASGI middleware that keeps web pages of others from acting through a programmer's browser.

CORS forbids such a page to read an answer, not to send the request: a form or a `fetch` without
reading reaches a service on loopback, and so does a name that an attacker points at 127.0.0.1. A
browser says with every POST whose page it is for; other clients say nothing and are not asked.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fimserve.server.errors import NotAllowed
from fimserve.server.settings import ServerSettings

__all__ = ["OriginGate"]

HARMLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginGate:
    """Refuses what a page of a foreign origin sends.

    Args:
        app: What answers all others.
        settings: Origins that may ask, and whether there are keys.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._allowed = frozenset(settings.cors_origins)
        self._has_keys = settings.keys is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it.

        Args:
            scope: The request line and headers.
            receive: Handed on.
            send: Handed on.

        Raises:
            NotAllowed: If a page sent it that may not.
        """
        if scope["type"] == "http" and scope["method"] not in HARMLESS_METHODS:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not self._may_send(origin, headers.get("host", "")):
                raise NotAllowed(
                    "A web page of another origin sent this; cors_origins names those that may.",
                    code="foreign_origin",
                )
        await self._app(scope, receive, send)

    def _may_send(self, origin: str, host: str) -> bool:
        if origin in self._allowed:
            return True
        is_own_page = _netloc(origin) == host
        # Without keys the service is for this machine: another name for it is an attacker's.
        return is_own_page and (self._has_keys or _is_loopback(host))


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
