"""Collects events of the language server instead of sending them."""

from collections.abc import Mapping
from typing import Any

from fimserve.lsp.event_maker import EventMaker


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
