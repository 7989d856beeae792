"""What a store of events promises, whichever database is behind it.

Code that records events knows this interface and nothing of databases.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fimserve.telemetry.event import Event

if TYPE_CHECKING:
    from fimserve.telemetry.database import Database

__all__ = ["Appended", "EventStore"]


class Appended(NamedTuple):
    """What became of a batch, all of which is now durable."""

    num_new: int
    """Events that were not there before."""
    num_known: int
    """Events whose id the tenant had sent already; they changed nothing."""


class EventStore(Protocol):
    """An append-only, durable set of events, each known by tenant and id.

    All methods may be called from any thread.
    """

    @property
    def max_batch_events(self) -> int:
        """Most events that whoever receives them should take at once."""

    @property
    def database(self) -> "Database":
        """What reports read from; it may be away."""

    def append(self, tenant: str, events: Sequence[Event]) -> Appended:
        """Store a batch, all of it or nothing; on return it survives `kill -9` and a power cut.

        Sending a batch again is harmless: an id that the tenant has sent before is counted as
        known, and what was stored first stays. Raises StoreUnavailable where nothing was stored
        and a later try may succeed.

        Args:
            tenant: Whose events they are.
            events: The batch.

        Returns:
            How many were new, how many known.
        """

    def submit(self, tenant: str, events: Sequence[Event]) -> "Future[Appended]":
        """Begin `append` and return at once; the future's result or error is `append`'s.

        Args:
            tenant: Whose events they are.
            events: The batch.

        Returns:
            The future.
        """

    def keeps_text(self, tenant: str) -> bool:
        """Return whether the operator lets code of this tenant be stored.

        Where not, fields with text are dropped before anything is written.

        Args:
            tenant: The tenant.

        Returns:
            Whether it may.
        """

    def close(self) -> None:
        """Store what was submitted, then let go of the database; further batches are refused."""
