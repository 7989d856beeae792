"""ASGI middleware that lets nobody in without a key: in front of every route, known or not.

It answers who asks, and leaves the answer as the request's principal. Without keys it is not
there, and everybody is local.
"""

import math
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from fimserve.server.access import Access
from fimserve.server.errors import NotAllowed, ServerError, TooManyFailures, Unauthenticated
from fimserve.server.failed_attempts import FailedAttempts
from fimserve.server.key_ring import KeyRing
from fimserve.server.principal import STRANGER, Principal

__all__ = ["Guard"]

POLICY_VIOLATION = 1008
"""Close code of a websocket; there are none here, and a new one must not slip past."""


class Guard:
    """Checks the key of each request.

    Args:
        app: What answers those that are let in.
        keys: The keys.
        access: Which key may ask which path.
        failures: How often who has failed.
    """

    def __init__(
        self, app: ASGIApp, keys: KeyRing, access: Access, failures: FailedAttempts
    ) -> None:
        self._app = app
        self._keys = keys
        self._access = access
        self._failures = failures

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it.

        Args:
            scope: The request line and headers.
            receive: Handed on.
            send: Handed on.
        """
        if scope["type"] == "http":
            # The path as routes see it, below whatever a proxy mounts the service at.
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            state = scope.setdefault("state", {})
            if self._access.is_public(scope["method"], path):
                state["principal"] = self._identify_or_none(scope) or STRANGER
            else:
                state["principal"] = self._identify(scope, path)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)

    def _identify(self, scope: Connection, path: str) -> Principal:
        principal = self._identify_or_none(scope)
        if principal is None and not _read_key(Headers(scope=scope)):
            raise self._refusal(
                scope,
                Unauthenticated(
                    "This service asks for an API key; send it as Authorization: Bearer KEY, or "
                    "as X-Api-Key.",
                    code="missing_api_key",
                ),
            )
        if principal is None:
            # One text for unknown, revoked and expired: what a key was is not for strangers.
            raise self._refusal(
                scope, Unauthenticated("The API key is not valid, or not any more.")
            )
        needed = self._access.scope_of(path)
        if needed not in principal.scopes:
            raise self._refusal(
                scope,
                NotAllowed(f"The API key has not the scope {needed!r}, which this path needs."),
            )
        return principal

    def _identify_or_none(self, scope: Connection) -> Principal | None:
        presented = _read_key(Headers(scope=scope))
        key = self._keys.find(presented, datetime.now(UTC)) if presented else None
        return None if key is None else Principal(key.tenant, key.scopes, key.id)

    def _refusal(self, scope: Connection, refusal: ServerError) -> ServerError:
        """Return what to answer: the refusal, or that there have been too many of them."""
        client = scope.get("client")
        wait_s = self._failures.add(client[0] if client else "")
        if not wait_s:
            return refusal
        return TooManyFailures(
            "This address was refused too often.",
            headers={"retry-after": str(math.ceil(wait_s)), "connection": "close"},
        )


def _read_key(headers: Headers) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("x-api-key", "").strip()
