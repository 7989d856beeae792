"""An operator's view of the stored events: counts, export, deletion by age. Receives nothing.

Works beside services that are running on the same database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fimserve.telemetry.database import Database, DatabaseAway, TypeCount
from fimserve.telemetry.errors import StoreUnavailable
from fimserve.telemetry.export import write_parquet
from fimserve.telemetry.location import find_location
from fimserve.telemetry.retention import Retention
from fimserve.telemetry.settings import TelemetrySettings
from fimserve.telemetry.spool import Spool

__all__ = ["EventArchive", "StoreCounts", "open_archive"]


class StoreCounts(NamedTuple):
    """What a store holds."""

    types: list[TypeCount]
    num_texts: int
    """Events with code."""
    num_spooled_files: int
    """Groups of batches that wait for the database."""
    num_spooled_bytes: int


class EventArchive:
    """Reads and prunes one database.

    Args:
        database: The database, its tables at the newest version.
        spool: What waits for it.
        retention: How long what is kept.
    """

    def __init__(self, database: Database, spool: Spool, retention: Retention) -> None:
        self._database = database
        self._spool = spool
        self._retention = retention

    def count(self) -> StoreCounts:
        """Return what the store holds."""
        return StoreCounts(
            types=self._database.count_by_type(),
            num_texts=self._database.count_texts(),
            num_spooled_files=len(self._spool.list_files()),
            num_spooled_bytes=self._spool.count_bytes(),
        )

    def export(self, file: Path, since_ms: int = 0, with_text: bool = False) -> int:
        """Write events to a Parquet file.

        Args:
            file: The file.
            since_ms: Moment of reception from which to write, in Unix milliseconds.
            with_text: Whether code is written too.

        Returns:
            Number of events.
        """
        return write_parquet(
            self._database.read_events(since_ms, with_text=with_text), file, with_text
        )

    def prune(self) -> int:
        """Delete what is older than the settings allow; return the number of deleted events."""
        return self._retention.enforce(self._database)


@contextmanager
def open_archive(settings: TelemetrySettings) -> Iterator[EventArchive]:
    """Open the store that settings describe, for the length of a `with` block.

    Args:
        settings: Settings that are not switched off.

    Yields:
        EventArchive: The archive.

    Raises:
        StoreUnavailable: If the database is away.
    """
    location = find_location(settings)
    database = Database(location)
    try:
        database.prepare()
        yield EventArchive(
            database,
            Spool(location.spool, settings.max_spool_mib << 20),
            Retention(settings.retention_days, settings.text_retention_days),
        )
    except DatabaseAway as error:
        raise StoreUnavailable(f"the event database is away: {error}") from None
    finally:
        database.drop_connections()
