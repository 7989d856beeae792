"""ASGI middleware that keeps web pages of others from acting through a programmer's browser.

CORS forbids such a page to read an answer, not to send the request: a form or a `fetch` without
reading reaches a service on loopback. A browser says with every POST whose page it is for; other
clients say nothing and are not asked. A page under a name that its owner points at 127.0.0.1 (DNS
rebinding) passes for the service's own and may read: so without keys the service answers only to
names that mean this machine, whatever the method.
"""

import logging
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fimserve.server.errors import NotAllowed, shorten
from fimserve.server.settings import ServerSettings

__all__ = ["OriginGate"]

logger = logging.getLogger(__name__)

HARMLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginGate:
    """Refuses what comes under a foreign name, and what a page of a foreign origin sends.

    Args:
        app: What answers all others.
        settings: Origins that may ask, names of this service, and whether there are keys.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._allowed = frozenset(settings.cors_origins)
        self._names = frozenset(name.lower() for name in (settings.host, *settings.allowed_hosts))
        self._has_keys = settings.keys is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it with NotAllowed.

        Args:
            scope: The request line and headers.
            receive: Handed on.
            send: Handed on.
        """
        if scope["type"] == "http":
            self._check(scope["method"], Headers(scope=scope))
        await self._app(scope, receive, send)

    def _check(self, method: str, headers: Headers) -> None:
        # Without the header it is no browser's request.
        host = headers.get("host")
        if host is not None and not self._has_keys and not self._is_own(host):
            raise NotAllowed(
                f"The request is for {shorten(host)}, which is no name of this machine; "
                "allowed_hosts names further ones.",
                code="foreign_host",
            )
        if method not in HARMLESS_METHODS:
            origin = headers.get("origin")
            if origin is not None and not self._may_send(origin, host or ""):
                logger.info("a page of %s may not ask (cors_origins)", shorten(origin))
                raise NotAllowed(
                    "A web page of another origin sent this; cors_origins names those that may.",
                    code="foreign_origin",
                )

    def _may_send(self, origin: str, host: str) -> bool:
        if origin in self._allowed:
            return True
        return _netloc(origin) == host and (self._has_keys or self._is_own(host))

    def _is_own(self, host: str) -> bool:
        """Return whether a host is this machine, or a name that the operator gave it."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        # Nobody can point localhost, or a name under it, elsewhere or at himself (RFC 6761).
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
