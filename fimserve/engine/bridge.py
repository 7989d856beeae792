"""Between the engine's thread and everybody else's.

The thread alone touches the loop; others leave it messages and are answered by deliveries. A loop
that dies is replaced: its requests fail, later ones are served, and `num_restarts` tells. Where one
after the other dies, as after an error that a GPU keeps, the thread ends and `is_alive` tells.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fimserve.engine.errors import BrokenEngine, EngineClosed, QueueFull
from fimserve.engine.loop import EngineLoop
from fimserve.engine.request import CompletionRequest
from fimserve.engine.ticket import Delivery, Ticket

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_ARRIVED = 1024
"""Requests that may wait to be planned; further ones are refused."""

PLANNING_MS = 5.0
"""Time for planning between two steps: one request is planned always, more while it lasts."""

MAX_RESTARTS = 3
"""Loops that may be replaced within a minute."""


class Bridge:
    """Runs a loop on a thread of its own.

    Args:
        make_loop: Makes a fresh loop; called again where one died.
    """

    def __init__(self, make_loop: Callable[[], EngineLoop]) -> None:
        self._make_loop = make_loop
        self._loop = make_loop()
        self._changed = threading.Condition()
        self._messages: deque[Callable[[EngineLoop], None]] = deque()
        self._arrived: dict[Ticket, None] = {}  # in order; planning takes time, messages do not
        self._tickets: set[Ticket] = set()
        self._calls: set[Future[Any]] = set()
        self._is_draining = False
        self._is_closed = False
        self._restarted_s: deque[float] = deque(maxlen=MAX_RESTARTS)
        self.num_restarts = 0
        """How often a dead loop was replaced."""
        # A daemon, closed at exit: a program that forgets to close its engine still ends, and not
        # in the middle of a step of torch's own threads.
        atexit.register(self.close)
        self._thread = threading.Thread(target=self._run, name="fimserve-engine", daemon=True)
        self._thread.start()

    @property
    def loop(self) -> EngineLoop:
        """The loop; only its thread may do more than look at counts."""
        return self._loop

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def num_unfinished(self) -> int:
        """Number of requests submitted and not answered to the end."""
        with self._changed:
            return len(self._tickets)

    def submit(
        self, request: CompletionRequest, arrived_ms: float, deliver: Callable[[Delivery], None]
    ) -> Ticket:
        """Hand a request to the loop and return its ticket.

        Args:
            request: What to complete.
            arrived_ms: When it came, by the loop's clock.
            deliver: Receives the pieces of the answer, or the exception that ended it; is called
                from the engine's thread and must not wait.

        Returns:
            What `cancel` takes.

        Raises:
            EngineClosed: If the engine is closed or about to be.
            QueueFull: If too many have not even been planned.
        """

        def note_and_deliver(item: Delivery) -> None:
            if isinstance(item, Exception) or item.usage is not None:
                self._note_end(ticket)
            deliver(item)

        ticket = Ticket(request, arrived_ms, note_and_deliver)
        with self._changed:
            if self._is_closed or self._is_draining:
                raise EngineClosed("the engine is closed; start a new one")
            if len(self._arrived) >= MAX_ARRIVED:
                raise QueueFull(f"{MAX_ARRIVED} requests wait to be planned", retry_after_ms=1000.0)
            self._tickets.add(ticket)
            self._arrived[ticket] = None
            self._changed.notify_all()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """End a request before the loop's next step; does nothing where it has ended."""
        with self._changed:
            if ticket in self._arrived:
                del self._arrived[ticket]
                self._post(lambda loop: loop.decline(ticket, "cancelled"))
            elif ticket in self._tickets:
                self._post(lambda loop: loop.end(ticket, "cancelled"))

    def call(self, function: Callable[[EngineLoop], T]) -> T:
        """Run a function on the engine's thread, between two steps, and return what it returns.

        What it raises is raised here.

        Args:
            function: Gets the loop.

        Returns:
            Its result.

        Raises:
            EngineClosed: If the engine is closed.
        """
        future: Future[T] = Future()

        def run(loop: EngineLoop) -> None:
            try:
                future.set_result(function(loop))
            except Exception as error:
                future.set_exception(error)

        with self._changed:
            if self._is_closed:
                raise EngineClosed("the engine is closed; start a new one")
            self._calls.add(future)
            self._post(run)
        try:
            return future.result()
        finally:
            self._calls.discard(future)

    def drain(self, timeout_s: float) -> bool:
        """Refuse new requests and wait for the others to end; return whether all did.

        Args:
            timeout_s: Longest wait.

        Returns:
            Whether all did.
        """
        with self._changed:
            self._is_draining = True
            return self._changed.wait_for(lambda: not self._tickets, timeout_s)

    def close(self) -> None:
        """Cancel everything and wait until the thread has ended; may be called again."""
        atexit.unregister(self.close)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _post(self, message: Callable[[EngineLoop], None]) -> None:
        self._messages.append(message)
        self._changed.notify_all()

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                try:
                    self._take_messages()
                    self._take_arrived()
                    if not self._loop.is_idle:
                        self._loop.step()
                except Exception as error:
                    self._restart(error)
            self._take_messages()
            for ticket in self._arrived:
                self._loop.decline(ticket, "cancelled")
            self._loop.end_all("cancelled")
        finally:
            self._fail_the_rest()

    def _wait_for_work(self) -> bool:
        """Wait until there is something to do; return False once closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._messages or self._arrived or self._is_closed or not self._loop.is_idle
            )
            return not self._is_closed

    def _take_messages(self) -> None:
        while True:
            with self._changed:
                if not self._messages:
                    return
                message = self._messages.popleft()
            message(self._loop)

    def _take_arrived(self) -> None:
        """Hand requests to the loop, which plans them, and no more of them than steps can bear.

        One that a newer request of its session has overtaken meanwhile is not planned at all.
        """
        started_s = time.monotonic()
        while True:
            with self._changed:
                if not self._arrived:
                    return
                ticket = next(iter(self._arrived))
                del self._arrived[ticket]
                is_overtaken = any(other.supersedes(ticket) for other in self._arrived)
            if is_overtaken:
                self._loop.decline(ticket, "cancelled")
            else:
                self._loop.submit(ticket)
            if (time.monotonic() - started_s) * 1000 > PLANNING_MS:
                return

    def _note_end(self, ticket: Ticket) -> None:
        with self._changed:
            self._tickets.discard(ticket)
            self._changed.notify_all()

    def _restart(self, error: Exception) -> None:
        """Replace the loop; its requests fail, since nobody knows what state they are in."""
        logger.error("the engine's loop died and is replaced", exc_info=error)
        with self._changed:
            # Those that still wait for their turn, too: which one the loop died of is not known.
            lost = list(self._tickets)
            self._arrived.clear()
        now_s = time.monotonic()
        if len(self._restarted_s) == MAX_RESTARTS and now_s - self._restarted_s[0] < 60:
            raise error
        self._restarted_s.append(now_s)
        self.num_restarts += 1
        self._loop = self._make_loop()
        for ticket in lost:
            ticket.deliver(BrokenEngine("the engine had to start anew; ask again"))

    def _fail_the_rest(self) -> None:
        """Answer whoever still waits when the thread ends, whatever it ends of."""
        with self._changed:
            self._is_closed = True
            lost, calls = list(self._tickets), list(self._calls)
        error = BrokenEngine("the engine has stopped")
        for ticket in lost:
            ticket.deliver(error)
        for call in calls:
            if not call.done():
                call.set_exception(error)
