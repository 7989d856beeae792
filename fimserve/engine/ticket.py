"""A request on its way through the engine: who waits for it, since when, and whether still.

The only object that two threads share; its methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from fimserve.engine.completion import CompletionDelta, FinishReason, Usage
from fimserve.engine.request import CompletionRequest
from fimserve.engine.session_cache import SessionKey

Delivery: TypeAlias = CompletionDelta | Exception


class Ticket:
    """Carries one request to the worker and its answer back.

    Args:
        request: The request.
        arrived_ms: When it came, by the engine's clock.
        deliver: Receives each piece of the answer, or the exception that ended it; is called from
            the worker's thread and must not wait.
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
        self._cancelled = threading.Event()

    @property
    def session_key(self) -> SessionKey | None:
        """Name of the request's session; None where it has none."""
        request = self.request
        if request.session is None:
            return None
        return SessionKey(request.tenant, request.session)

    def cancel(self) -> None:
        """Ask for the work to end at its next step."""
        self._cancelled.set()

    def why_end(self, now_ms: float) -> FinishReason | None:
        """Return why the work has to end now, or None where it may go on."""
        if self._cancelled.is_set():
            return "cancelled"
        deadline_ms = self.request.deadline_ms
        if deadline_ms is not None and now_ms - self.arrived_ms >= deadline_ms:
            return "length"
        return None

    def deliver_unstarted(self, now_ms: float) -> None:
        """Deliver the empty answer of a request that was cancelled before its turn."""
        waited_ms = now_ms - self.arrived_ms
        usage = Usage(0, 0, 0, queue_ms=waited_ms, ttft_ms=waited_ms, e2e_ms=waited_ms)
        self.deliver(CompletionDelta("", (), "cancelled", usage))
