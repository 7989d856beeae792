"""The database behind the store: inserts that repeat harmlessly, deletion by age, counts.

Each method is one transaction or several short ones. Knows nothing of threads beyond a lock, nor
of what happens to a batch while the database is away: it raises, and the store decides.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, func, select, tuple_
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from fimserve.telemetry.batch import Batch
from fimserve.telemetry.connections import READS_ONLY, create_sqlite_file, make_engine
from fimserve.telemetry.event import TEXT_FIELDS, Event
from fimserve.telemetry.insertion import insert_columns
from fimserve.telemetry.location import Location
from fimserve.telemetry.migrate import migrate
from fimserve.telemetry.tables import EVENT_COLUMNS, EVENT_TEXTS, EVENTS

__all__ = ["BatchRefused", "Database", "DatabaseAway", "TypeCount"]

logger = logging.getLogger(__name__)

PAGE_EVENTS = 5_000
"""Rows that are read at once."""
MAX_DELETED_AT_ONCE = 1_000
"""Rows of one deleting transaction: writers wait for no longer than it takes."""
PAUSE_BETWEEN_DELETES_S = 0.02
MAX_TRIES = 5
"""Tries of a transaction that met another one with the same events in another order."""
CONFLICTS = ("40001", "40P01")
"""PostgreSQL's codes of a serialisation failure and of a deadlock."""


class DatabaseAway(Exception):
    """The database did not do what it was told and may do it later."""


class BatchRefused(Exception):
    """The database will never take these values."""


class TypeCount(NamedTuple):
    """How many events of one type a tenant has."""

    tenant: str
    type: str
    num_events: int
    first_ms: int
    """When the oldest was received, in Unix milliseconds."""
    last_ms: int


class Database:
    """One database, reached by a few connections.

    Args:
        location: Where it is.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._engine = make_engine(location.url)
        # One writer of this process at a time: SQLite allows one anyway, and waiting here is
        # shorter than its polling.
        self._write_lock = threading.Lock()

    def prepare(self) -> None:
        """Connect, and bring the tables to the newest version.

        Raises DatabaseAway, StoreMismatch where a newer fimserve has been here, and
        StoreSettingsError where an SQLite file cannot be.
        """
        if self._location.file is not None:
            create_sqlite_file(self._location.file)
        with self.begin() as connection:
            migrate(connection)

    def insert(self, batches: Sequence[Batch]) -> list[int]:
        """Store batches in one transaction; durable on return.

        Args:
            batches: The batches.

        Returns:
            For each batch how many of its events were new.

        Raises:
            DatabaseAway: If nothing was stored, or nobody knows; again is harmless.
        """
        for attempt in range(1, MAX_TRIES + 1):
            try:
                with self.begin() as connection:
                    return [_insert_batch(connection, batch) for batch in batches]
            except DatabaseAway as error:
                if attempt == MAX_TRIES or not _is_conflict(error):
                    raise
                time.sleep(0.005 * attempt)
        raise DatabaseAway("no tries left")

    def delete_older(self, events_before_ms: int | None, texts_before_ms: int) -> int:
        """Delete what was received before a moment, a little at a time.

        Args:
            events_before_ms: Moment for events, in Unix milliseconds; None keeps all.
            texts_before_ms: Moment for code.

        Returns:
            Number of deleted events.
        """
        num_texts = self._delete_in_steps(EVENT_TEXTS, texts_before_ms)
        num_events = 0
        if events_before_ms is not None:
            num_events = self._delete_in_steps(EVENTS, events_before_ms)
        if num_texts or num_events:
            self._forget_old_pages()
        return num_events

    def count_by_type(self) -> list[TypeCount]:
        """Return how many events there are, by tenant and type."""
        columns = EVENTS.c
        query = (
            select(
                columns.tenant,
                columns.type,
                func.count(),
                func.min(columns.received_ms),
                func.max(columns.received_ms),
            )
            .group_by(columns.tenant, columns.type)
            .order_by(columns.tenant, columns.type)
        )
        with self.read() as connection:
            return [TypeCount(*row) for row in connection.execute(query)]

    def count_texts(self) -> int:
        """Return how many events have code stored with them."""
        with self.read() as connection:
            return connection.scalar(select(func.count()).select_from(EVENT_TEXTS)) or 0

    def read_events(
        self, since_ms: int = 0, with_text: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of `events` in the order in which they were stored.

        Args:
            since_ms: Moment of reception from which to read, in Unix milliseconds.
            with_text: Whether code comes along.

        Yields:
            list[dict[str, Any]]: Rows, by column name.
        """
        query = select(EVENTS).where(EVENTS.c.received_ms >= since_ms).order_by(EVENTS.c.seq)
        if with_text:
            is_same = (EVENTS.c.tenant == EVENT_TEXTS.c.tenant) & (EVENTS.c.id == EVENT_TEXTS.c.id)
            query = query.outerjoin_from(EVENTS, EVENT_TEXTS, is_same).add_columns(
                *(EVENT_TEXTS.c[name] for name in TEXT_FIELDS)
            )
        last_seq = 0
        while True:
            page = query.where(EVENTS.c.seq > last_seq).limit(PAGE_EVENTS)
            with self.read() as connection:
                rows = [dict(row) for row in connection.execute(page).mappings()]
            if not rows:
                return
            yield rows
            last_seq = rows[-1]["seq"]

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Have a transaction that writes, durable once the `with` block is left; DatabaseAway.

        Yields:
            Connection: The connection.
        """
        with self._write_lock, _translated_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Have a connection that only reads; DatabaseAway where there is none.

        Yields:
            Connection: The connection.
        """
        with _translated_errors(), self._engine.connect() as connection:
            reading = connection.execution_options(**READS_ONLY)
            if self._location.file is None:
                # Whoever counts or exports waits for it, and nobody waits for them.
                reading.exec_driver_sql("SET LOCAL statement_timeout TO 0")
            yield reading

    def drop_connections(self) -> None:
        """Let go of all connections; the next use makes new ones."""
        self._engine.dispose()

    def _delete_in_steps(self, table: Table, before_ms: int) -> int:
        keys = list(table.primary_key)
        oldest = select(*keys).where(table.c.received_ms < before_ms).limit(MAX_DELETED_AT_ONCE)
        num_deleted = 0
        while True:
            with self.begin() as connection:
                found = delete(table).where(tuple_(*keys).in_(oldest))
                num = connection.execute(found).rowcount
            num_deleted += num
            if num < MAX_DELETED_AT_ONCE:
                return num_deleted
            time.sleep(PAUSE_BETWEEN_DELETES_S)

    def _forget_old_pages(self) -> None:
        """Empty SQLite's log, where deleted code still stands as it was written."""
        if self._location.file is None:
            return
        with self._write_lock, _translated_errors():
            raw = self._engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.close()


def _insert_batch(connection: Connection, batch: Batch) -> int:
    if not batch.events:
        return 0
    # In one order everywhere, so that two senders of the same events do not wait in a circle.
    events = sorted(batch.events, key=attrgetter("id"))
    if with_text := _find_new_texts(connection, batch, events):
        insert_columns(connection, EVENT_TEXTS, _make_columns(batch, with_text, _TEXTS))
    return insert_columns(connection, EVENTS, _make_columns(batch, events, _FIELDS))


class _Columns(NamedTuple):
    """Fields of events that are columns of a table."""

    names: tuple[str, ...]
    read: Callable[[Event], tuple[object, ...]]

    @classmethod
    def of(cls, *names: str) -> "_Columns":
        return cls(names, attrgetter(*names))


_FIELDS = _Columns.of(*EVENT_COLUMNS)
_TEXTS = _Columns.of("id", *TEXT_FIELDS)


def _make_columns(
    batch: Batch, events: Sequence[Event], wanted: _Columns
) -> dict[str, Sequence[object]]:
    num_events = len(events)
    columns = dict(zip(wanted.names, zip(*map(wanted.read, events), strict=True), strict=True))
    # Most columns are empty in most batches; leaving them out halves the time of the insert.
    used = {name: column for name, column in columns.items() if column.count(None) < num_events}
    standing: dict[str, Sequence[object]] = {
        "tenant": [batch.tenant] * num_events,
        "received_ms": [batch.received_ms] * num_events,
    }
    return standing | used


def _find_new_texts(connection: Connection, batch: Batch, events: Sequence[Event]) -> list[Event]:
    """Return those events with code that are not there yet: what came first stays."""
    with_text = {event.id: event for event in events if event.has_text}
    if not with_text:
        return []
    is_known = (EVENTS.c.tenant == batch.tenant) & EVENTS.c.id.in_(list(with_text))
    known = set(connection.scalars(select(EVENTS.c.id).where(is_known)))
    return [event for id_, event in with_text.items() if id_ not in known]


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError) as error:
        # Without the statement, whose parameters are the events.
        raise BatchRefused(f"{type(error.orig).__name__}") from error.orig
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        first_line = str(cause).partition("\n")[0]
        raise DatabaseAway(f"{type(cause).__name__}: {first_line}") from cause


def _is_conflict(error: DatabaseAway) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in CONFLICTS
