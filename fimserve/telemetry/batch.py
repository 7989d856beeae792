"""A batch on its way into the store: what one request brought, and when it came."""

from typing import NamedTuple

from fimserve.telemetry.event import Event

__all__ = ["Batch"]


class Batch(NamedTuple):
    """Events of one tenant that are stored together or not at all."""

    tenant: str
    received_ms: int
    """Unix milliseconds of the server's clock: what retention and order go by."""
    events: tuple[Event, ...]
