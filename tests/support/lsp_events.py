"""Collects events of the language server: instead of sending them, or where they arrive."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from fimserve.lsp.event_maker import EventMaker
from fimserve.telemetry import Appended, Event, EventStore


class EventLog:
    """Remembers the events that a maker makes."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.maker = EventMaker(self.events.append, {"client": "fimserve-lsp"})

    def types(self) -> list[str]:
        """Return the types of the events in their order."""
        return [event["type"] for event in self.events]

    def last(self, *names: str) -> tuple[Any, ...]:
        """Return fields of the newest event; None where it has none."""
        return tuple(self.events[-1].get(name) for name in names)


class RecordingStore:
    """A real store, in a file, that also remembers what it was brought.

    Args:
        store: The store.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.max_batch_events = store.max_batch_events
        self._events: list[Event] = []
        self._arrived = threading.Condition()

    def append(self, tenant: str, events: Sequence[Event]) -> Appended:
        """Store and remember a batch."""
        return self.submit(tenant, events).result()

    def submit(self, tenant: str, events: Sequence[Event]) -> "Future[Appended]":
        """Store and remember a batch; nobody waits."""
        with self._arrived:
            # What is sent again, for want of an answer in time, counts once.
            known = {event.id for event in self._events}
            self._events += [event for event in events if event.id not in known]
            self._arrived.notify_all()
        return self._store.submit(tenant, events)

    def keeps_text(self, tenant: str) -> bool:
        """Ask the real store."""
        return self._store.keeps_text(tenant)

    def close(self) -> None:
        """Close the real store."""
        self._store.close()

    def wait_for(self, *kinds: str, timeout_s: float = 10.0) -> list[Event]:
        """Return the events without `requested`, once their types are these.

        Args:
            *kinds: Types in their order.
            timeout_s: How long to wait.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: self._types() == list(kinds), timeout_s)
            assert self._types() == list(kinds), self._types()
            return [event for event in self._events if event.type != "requested"]

    def num_of(self, kind: str) -> int:
        """Return how many events of a type have come."""
        return [event.type for event in self._events].count(kind)

    def _types(self) -> list[str]:
        return [event.type for event in self._events if event.type != "requested"]
