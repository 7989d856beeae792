"""A request on its way through the engine: who waits for it, and since when.

Knows nothing of what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fimserve.engine.completion import CompletionDelta
from fimserve.engine.request import CompletionRequest
from fimserve.engine.session_book import SessionKey

Delivery: TypeAlias = CompletionDelta | Exception


class Ticket:
    """Carries one request to the engine's thread and its answer back.

    Args:
        request: The request.
        arrived_ms: When it came, by the engine's clock.
        deliver: Receives each piece of the answer, or the exception that ended it; is called from
            the engine's thread and must not wait.
    """

    def __init__(
        self,
        request: CompletionRequest,
        arrived_ms: float,
        deliver: Callable[[Delivery], None],
    ) -> None:
        self.request = request
        self.arrived_ms = arrived_ms
        self.deliver = deliver

    @property
    def session_key(self) -> SessionKey | None:
        """Name of the request's session; None where it has none."""
        request = self.request
        if request.session is None:
            return None
        return SessionKey(request.tenant, request.session)

    def supersedes(self, older: Ticket) -> bool:
        """Return whether an older request is of no use once this one is there.

        A prefetch does not end the completion that somebody waits for.

        Args:
            older: A request that came before.

        Returns:
            Whether both are of one session, and the older one is not more urgent.
        """
        key = self.session_key
        if key is None or older.session_key != key:
            return False
        return older.request.priority == "background" or self.request.priority == "interactive"

    @property
    def deadline_ms(self) -> float | None:
        """When the answer must be there, by the engine's clock; None where it may take its time."""
        deadline_ms = self.request.deadline_ms
        return None if deadline_ms is None else self.arrived_ms + deadline_ms
