"""The one thread that works on requests, in the order of their arrival.

Waiting requests can be withdrawn at once; the running one ends at its next step. A newer request
of a session withdraws the older one. An exception ends the request that raised it, not the thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from fimserve.engine.completion import CompletionDelta
from fimserve.engine.errors import EngineClosed, EngineError
from fimserve.engine.ticket import Delivery, Ticket

logger = logging.getLogger(__name__)


class Worker:
    """Runs tickets one after another on a thread of its own.

    Args:
        answer: Yields the pieces of a ticket's answer, ending soon after its cancellation.
        now_ms: The engine's clock, in milliseconds.
    """

    def __init__(
        self, answer: Callable[[Ticket], Iterable[CompletionDelta]], now_ms: Callable[[], float]
    ) -> None:
        self._answer = answer
        self._now_ms = now_ms
        self._changed = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._running: Ticket | None = None
        self._closed = False
        # A daemon: a program that forgets to close its engine still ends.
        self._thread = threading.Thread(target=self._run, name="fimserve-engine", daemon=True)
        self._thread.start()

    @property
    def num_unfinished(self) -> int:
        """Number of tickets waiting or running."""
        with self._changed:
            return len(self._waiting) + (self._running is not None)

    def submit(self, ticket: Ticket) -> None:
        """Queue a ticket and withdraw older ones of its session.

        Args:
            ticket: The ticket; its answer is delivered later.

        Raises:
            EngineClosed: If the worker was closed.
        """
        with self._changed:
            if self._closed:
                raise EngineClosed("the engine is closed; start a new one")
            superseded = self._tickets_of_session(ticket)
            self._waiting.append(ticket)
            self._changed.notify_all()
        for older in superseded:
            self.cancel(older)

    def cancel(self, ticket: Ticket) -> None:
        """End a ticket: at once if it waits, at its next step if it runs, else do nothing."""
        ticket.cancel()
        with self._changed:
            was_waiting = ticket in self._waiting
            if was_waiting:
                self._waiting.remove(ticket)
        if was_waiting:
            ticket.deliver_unstarted(self._now_ms())

    def close(self) -> None:
        """Cancel everything and wait until the thread has ended; may be called again."""
        with self._changed:
            self._closed = True
            unfinished = [*self._waiting, *([self._running] if self._running else [])]
            self._changed.notify_all()
        for ticket in unfinished:
            self.cancel(ticket)
        self._thread.join()

    def _tickets_of_session(self, ticket: Ticket) -> list[Ticket]:
        key = ticket.session_key
        if key is None:
            return []
        unfinished = [*self._waiting, *([self._running] if self._running else [])]
        return [other for other in unfinished if other.session_key == key]

    def _run(self) -> None:
        while (ticket := self._take_next()) is not None:
            last = self._serve(ticket)
            with self._changed:
                self._running = None
            # The end is told when everything is at rest again.
            ticket.deliver(last)

    def _serve(self, ticket: Ticket) -> Delivery:
        """Deliver a ticket's answer but for its last piece, and return that."""
        last: Delivery = EngineError("the answer ended without a last piece")
        try:
            for delta in self._answer(ticket):
                if delta.finish_reason is None:
                    ticket.deliver(delta)
                else:
                    last = delta
        except Exception as error:
            _log_failure(error)
            return error
        return last

    def _take_next(self) -> Ticket | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running


def _log_failure(error: Exception) -> None:
    if isinstance(error, EngineError):
        logger.info("request refused: %s", error)
    else:
        logger.error("request failed", exc_info=error)
