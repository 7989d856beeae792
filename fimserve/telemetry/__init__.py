"""Telemetry: what became of suggestions, kept so that an engineer can decide by it.

Knows nothing of ours: not of HTTP, not of the engine. Names are loaded when they are first used,
because a store brings a database library with it, and an event need not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fimserve.telemetry.errors import (
        EventError,
        ExportError,
        StoreClosed,
        StoreMismatch,
        StoreSettingsError,
        StoreUnavailable,
        TelemetryError,
    )
    from fimserve.telemetry.event import EVENT_RULES, SCHEMA_VERSION, TEXT_FIELDS, Event, EventType
    from fimserve.telemetry.plain_events import read_plain_events
    from fimserve.telemetry.settings import TelemetrySettings
    from fimserve.telemetry.sql_store import open_event_store
    from fimserve.telemetry.store import Appended, EventStore

__all__ = [
    "EVENT_RULES",
    "SCHEMA_VERSION",
    "TEXT_FIELDS",
    "Appended",
    "Event",
    "EventError",
    "EventStore",
    "EventType",
    "ExportError",
    "StoreClosed",
    "StoreMismatch",
    "StoreSettingsError",
    "StoreUnavailable",
    "TelemetryError",
    "TelemetrySettings",
    "open_event_store",
    "read_plain_events",
]

_HOMES = {
    "errors": [
        "EventError",
        "ExportError",
        "StoreClosed",
        "StoreMismatch",
        "StoreSettingsError",
        "StoreUnavailable",
        "TelemetryError",
    ],
    "event": ["EVENT_RULES", "SCHEMA_VERSION", "TEXT_FIELDS", "Event", "EventType"],
    "plain_events": ["read_plain_events"],
    "settings": ["TelemetrySettings"],
    "sql_store": ["open_event_store"],
    "store": ["Appended", "EventStore"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
