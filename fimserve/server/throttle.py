"""ASGI middleware that holds each API key to its rate and to its number of requests at a time.

So one editor that runs wild costs the others nothing. Requests without a key are not counted: on
a service without keys, the engine's queue is the limit.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from fimserve.server.errors import TooManyRequests
from fimserve.server.principal import LOCAL
from fimserve.server.settings import ServerSettings
from fimserve.server.token_bucket import TokenBucket

__all__ = ["Throttle"]


@dataclass(slots=True)
class KeyLoad:
    """What one key is doing."""

    bucket: TokenBucket | None
    num_running: int = 0


class Throttle:
    """Counts the requests of each key.

    Args:
        app: What answers those within their limits.
        settings: The limits.
        clock_s: Seconds that never go back.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._settings = settings
        self._clock_s = clock_s
        self._loads: dict[str, KeyLoad] = {}

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it.

        Args:
            scope: The request, its principal found.
            receive: Handed on.
            send: Handed on.
        """
        key_id = scope.get("state", {}).get("principal", LOCAL).key_id
        if key_id is None:
            await self._app(scope, receive, send)
            return
        with self._counted(self._load_of(key_id)):
            await self._app(scope, receive, send)

    def _load_of(self, key_id: str) -> KeyLoad:
        # Ids come from the key file, never from a client: there are only so many.
        load = self._loads.get(key_id)
        if load is None:
            rate, burst = self._settings.key_requests_per_s, self._settings.key_burst
            bucket = TokenBucket(rate, burst, self._clock_s()) if rate else None
            load = self._loads[key_id] = KeyLoad(bucket)
        return load

    @contextmanager
    def _counted(self, load: KeyLoad) -> Iterator[None]:
        limit = self._settings.key_concurrency
        if limit and load.num_running >= limit:
            raise TooManyRequests(
                f"{load.num_running} requests of this API key are being answered; "
                f"the limit is {limit} at a time."
            )
        wait_s = load.bucket.take(self._clock_s()) if load.bucket else 0.0
        if wait_s:
            raise TooManyRequests(
                f"This API key may send {self._settings.key_requests_per_s:g} requests per second.",
                headers={"retry-after": str(math.ceil(wait_s))},
            )
        load.num_running += 1
        try:
            yield
        finally:
            load.num_running -= 1
