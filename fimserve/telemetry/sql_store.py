"""The event store of a service: a database, and a spool for the time that it is away.

Every batch ends in exactly one of three ways: committed, synced to the spool, or refused with
nothing stored. The first two are acknowledged.
"""

import logging
from collections.abc import Collection, Sequence
from concurrent.futures import Future

from fimserve.telemetry.batch import Batch
from fimserve.telemetry.database import BatchRefused, Database, DatabaseAway
from fimserve.telemetry.errors import StoreUnavailable, TelemetryError
from fimserve.telemetry.event import Event
from fimserve.telemetry.group_commit import GroupCommit
from fimserve.telemetry.keeper import Keeper
from fimserve.telemetry.location import Location, find_location
from fimserve.telemetry.retention import Retention, now_unix_ms
from fimserve.telemetry.settings import MAX_BATCH_EVENTS, TelemetrySettings
from fimserve.telemetry.spool import Spool, SpoolFull
from fimserve.telemetry.store import Appended
from fimserve.telemetry.tables import MAX_TENANT_CHARS

__all__ = ["SqlEventStore", "open_event_store"]

logger = logging.getLogger(__name__)

FULL_RETRY_AFTER_S = 10
"""When a sender should try again where database and spool both took nothing."""


def open_event_store(settings: TelemetrySettings) -> "SqlEventStore | None":
    """Return the store that settings describe, its tables at the newest version.

    A database that is away is no obstacle: the spool takes what comes. Raises StoreSettingsError
    and StoreMismatch, which waiting does not mend.

    Args:
        settings: The settings.

    Returns:
        The store; None where it is switched off.
    """
    if not settings.is_on:
        return None
    return SqlEventStore(
        find_location(settings),
        Retention(settings.retention_days, settings.text_retention_days),
        max_spool_bytes=settings.max_spool_mib << 20,
        text_tenants=settings.store_text,
        max_batch_events=settings.max_batch_events,
    )


class SqlEventStore:
    """Stores events in SQLite or PostgreSQL.

    Args:
        location: Database and spool.
        retention: How long what is kept.
        max_spool_bytes: Most that the spool may hold.
        text_tenants: Tenants whose code may be stored.
        max_batch_events: Most events that a request should bring.
    """

    def __init__(
        self,
        location: Location,
        retention: Retention,
        max_spool_bytes: int,
        text_tenants: Collection[str] = (),
        max_batch_events: int = MAX_BATCH_EVENTS,
    ) -> None:
        self._max_batch_events = max_batch_events
        self._refuses = False
        self._text_tenants = frozenset(text_tenants)
        self._database = Database(location)
        self._spool = Spool(location.spool, max_spool_bytes)
        is_ready = self._try_to_prepare()
        self._keeper = Keeper(self._database, self._spool, retention, is_ready)
        self._writer = GroupCommit(self._commit)

    @property
    def max_batch_events(self) -> int:
        """Most events that whoever receives them should take at once."""
        return self._max_batch_events

    @property
    def is_database_ready(self) -> bool:
        """Whether batches go to the database at the moment, rather than to the spool."""
        return self._keeper.is_ready

    @property
    def database(self) -> Database:
        """What reports read from; it may be away."""
        return self._database

    def append(self, tenant: str, events: Sequence[Event]) -> Appended:
        """Store a batch, all of it or nothing; on return it survives `kill -9` and a power cut.

        Args:
            tenant: Whose events they are.
            events: The batch.

        Returns:
            How many were new, how many known. While the database is away all count as new.
        """
        return self.submit(tenant, events).result()

    def submit(self, tenant: str, events: Sequence[Event]) -> Future[Appended]:
        """Begin `append` and return at once.

        Args:
            tenant: Whose events they are.
            events: The batch.

        Returns:
            What will have become of it.

        Raises:
            ValueError: If the tenant's name cannot be stored.
        """
        if not 0 < len(tenant) <= MAX_TENANT_CHARS:
            raise ValueError(f"a tenant's name has 1 to {MAX_TENANT_CHARS} characters")
        if not self.keeps_text(tenant):
            events = [event.without_text() for event in events]
        return self._writer.submit(Batch(tenant, now_unix_ms(), tuple(events)))

    def keeps_text(self, tenant: str) -> bool:
        """Return whether the operator lets code of this tenant be stored.

        Args:
            tenant: The tenant.

        Returns:
            Whether it may.
        """
        return tenant in self._text_tenants

    def close(self) -> None:
        """Store what was submitted, then let go of the database; further batches are refused."""
        self._writer.close()
        self._keeper.close()
        self._database.drop_connections()

    def _try_to_prepare(self) -> bool:
        try:
            self._database.prepare()
        except DatabaseAway as error:
            logger.warning("the event database is away, events go to the spool: %s", error)
            return False
        except TelemetryError:
            self._database.drop_connections()
            raise
        return True

    def _commit(self, batches: Sequence[Batch]) -> Sequence[Appended | Exception]:
        if self._keeper.is_ready:
            try:
                return self._insert(batches)
            except DatabaseAway as error:
                self._keeper.report_away(error)
        return self._put_into_spool(batches)

    def _insert(self, batches: Sequence[Batch]) -> Sequence[Appended | Exception]:
        try:
            nums_new = self._database.insert(batches)
        except BatchRefused as error:
            if len(batches) == 1:
                return [error]
            # One of them is at fault: the others must not suffer for it.
            return [outcome for batch in batches for outcome in self._insert([batch])]
        return [
            Appended(num_new, len(batch.events) - num_new)
            for batch, num_new in zip(batches, nums_new, strict=True)
        ]

    def _put_into_spool(self, batches: Sequence[Batch]) -> Sequence[Appended | Exception]:
        try:
            self._spool.add(batches)
        except SpoolFull as error:
            if len(batches) > 1:  # some of them may fit
                return [outcome for batch in batches for outcome in self._put_into_spool([batch])]
            if not self._refuses:  # once, not for each of thousands
                logger.error("events are refused: %s", error)
            self._refuses = True
            return [
                StoreUnavailable(
                    "the event store is away and its spool is full", FULL_RETRY_AFTER_S
                )
            ]
        self._refuses = False
        return [_count_distinct(batch) for batch in batches]


def _count_distinct(batch: Batch) -> Appended:
    num_new = len({event.id for event in batch.events})
    return Appended(num_new, len(batch.events) - num_new)
