"""Which syntax stands where completions were asked for, for the events about them.

Clients know a file's language and rarely its grammar; the service has the text at hand while it
answers. The nodes around the cursor are found once it has answered, in a thread of their own, and
only their names are kept: no text outlives its request here. Only requests that name a language or
a path are looked at, so programs that complete plain text pay nothing.
"""

import asyncio
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from starlette.requests import Request

from fimserve.engine import CompletionRequest, CursorKinds, find_cursor_kinds
from fimserve.server.principal import principal_of
from fimserve.server.request_record import record_of
from fimserve.telemetry import Event

__all__ = ["KindDesk"]

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 50_000
"""Completions whose kinds are remembered: some hours of a busy service."""
MAX_WAITING = 32
"""Completions that may wait to be looked at; beyond, their events say no kind."""
ALTERNATIVE = re.compile(r"(.+)-\d{1,2}")
"""Clients name an alternative by the completion's id and its number."""


class KindDesk:
    """Finds the kinds of syntax nodes at completions, and says them in events."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kinds")
        self._room = threading.Semaphore(MAX_WAITING)
        self._found: OrderedDict[tuple[str, str], Future[CursorKinds | None]] = OrderedDict()

    def look(self, asked: CompletionRequest, text: str, request: Request) -> None:
        """Begin to find the kinds at a completion that was just written.

        Args:
            asked: What was asked for.
            text: What was written; of several the first.
            request: The HTTP request; its record keeps what is found.
        """
        is_readable = asked.language is not None or asked.path is not None
        if not (text and is_readable and self._room.acquire(blocking=False)):
            return
        record = record_of(request)
        written = text if asked.n == 1 else None
        record.kinds = self._thread.submit(
            find_cursor_kinds, asked.prefix, asked.suffix or "", written, asked.language, asked.path
        )
        record.kinds.add_done_callback(lambda _: self._room.release())
        if record.completion_id is not None:
            self.remember(request, record.completion_id)

    def remember(self, request: Request, completion_id: str) -> None:
        """Keep the kinds at a completion under its id.

        Args:
            request: The HTTP request that asked for it.
            completion_id: Its id.
        """
        kinds = record_of(request).kinds
        if kinds is None:
            return
        self._found[principal_of(request).tenant, completion_id] = kinds
        if len(self._found) > MAX_REMEMBERED:
            self._found.popitem(last=False)

    async def fill_in(self, events: Sequence[Event], request: Request) -> list[Event]:
        """Return events with the kinds that their client did not say.

        Args:
            events: What a client sent.
            request: The HTTP request that brought them.

        Returns:
            The events in their order.
        """
        tenant = principal_of(request).tenant
        return [await self._fill_in(event, tenant) for event in events]

    def close(self) -> None:
        """Stop looking."""
        self._thread.shutdown()

    async def _fill_in(self, event: Event, tenant: str) -> Event:
        if event.completion_id is None or event.kind is not None:
            return event
        looking = self._found.get((tenant, event.completion_id))
        is_alternative = looking is None
        if looking is None and (named := ALTERNATIVE.fullmatch(event.completion_id)):
            looking = self._found.get((tenant, named[1]))
        if looking is None:
            return event
        try:
            kinds = await asyncio.wrap_future(looking)
        except Exception as error:
            logger.warning("the syntax at a completion was not found: %r", error)
            return event
        if kinds is None:
            return event
        told = {name: kind for name, kind in asdict(kinds).items() if kind is not None}
        if is_alternative or event.kind_after is not None:
            told.pop("kind_after", None)
        return event.with_values(told)
