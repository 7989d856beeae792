"""Events on their way to the server: a bounded queue that nobody waits for.

Adding never blocks and never fails; where the server is away for long the oldest events go. What
was sent and not acknowledged is sent again under the same ids, so it counts once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice

from fimserve.lsp.completion_client import Delivery

__all__ = ["EventQueue"]

logger = logging.getLogger(__name__)

MAX_WAITING = 2_000
"""Events kept while the server is away: about an hour of somebody who types without a pause."""
MAX_BATCH = 100
GATHER_S = 0.5
"""How long a first event waits for others to travel with."""
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0

Event = Mapping[str, object]
Send = Callable[[Sequence[Event]], Awaitable[Delivery]]


class EventQueue:
    """Sends events in batches, in order, one batch at a time.

    Args:
        send: Brings a batch to the server and says what became of it.
        gather_s: How long a first event waits for others.
        retry_s: First and longest pause after a failure; pauses double.
    """

    def __init__(
        self,
        send: Send,
        gather_s: float = GATHER_S,
        retry_s: tuple[float, float] = (FIRST_RETRY_S, LAST_RETRY_S),
    ) -> None:
        self._send = send
        self._gather_s = gather_s
        self._retry_s = retry_s
        self._waiting: deque[Event] = deque()
        self._sender: asyncio.Task[None] | None = None
        self.num_dropped = 0
        """Events that went without being sent, for want of room."""
        self.num_refused = 0
        """Events that the server will not have."""

    def __len__(self) -> int:
        """Return the number of events not acknowledged yet."""
        return len(self._waiting)

    def add(self, event: Event) -> None:
        """Take an event; the event loop must be running."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.num_dropped += 1
        self._waiting.append(event)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._run())

    def clear(self) -> None:
        """Forget everything that waits, as when the user says no."""
        self._waiting.clear()

    async def flush(self, timeout_s: float) -> None:
        """Send what waits, once and within a time, and stop.

        Args:
            timeout_s: Longest time that this takes.
        """
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting and await self._send_batch():
                    pass
        except TimeoutError:
            logger.debug("%d events were not sent", len(self._waiting))

    async def _run(self) -> None:
        pause_s = self._retry_s[0]
        await asyncio.sleep(self._gather_s)
        while self._waiting:
            if await self._send_batch():
                pause_s = self._retry_s[0]
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._retry_s[1])

    async def _send_batch(self) -> bool:
        """Send the oldest events; return whether they are off our hands."""
        batch = list(islice(self._waiting, MAX_BATCH))
        outcome = await self._send(batch)
        if outcome == "later":
            return False
        if outcome == "never":
            # Said once: a server that stores no events refuses every batch.
            level = logging.DEBUG if self.num_refused else logging.WARNING
            logger.log(level, "the server refused %d events; they are dropped", len(batch))
            self.num_refused += len(batch)
        # While the batch travelled the oldest events may have gone for newer ones.
        sent = {id(event) for event in batch}
        while self._waiting and id(self._waiting[0]) in sent:
            self._waiting.popleft()
        return True
