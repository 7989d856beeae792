"""A directory that takes batches while the database is away, up to a bound.

A group of batches is one file: written beside, synced, then renamed, and the directory synced, so
a file with its final name is whole. Several processes may share the directory; a file that two of
them replay is harmless, because events repeat harmlessly. Knows nothing of databases.
"""

import itertools
import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from fimserve.telemetry.batch import Batch
from fimserve.telemetry.errors import EventError
from fimserve.telemetry.event import Event

__all__ = ["BrokenSpoolFile", "Spool", "SpoolFull"]

logger = logging.getLogger(__name__)

SUFFIX = ".json"
UNFINISHED, BROKEN = ".tmp", ".broken"
RECOUNT_AFTER_S = 1.0
"""Other processes' files are counted this often, so they can pass the bound by a second's worth."""
ABANDONED_AFTER_S = 600.0
"""Age at which an unfinished file is nobody's any more: it was never acknowledged."""


class SpoolFull(Exception):
    """The batches were not written: no room within the bound or on the disk."""


class BrokenSpoolFile(Exception):
    """A file of the spool cannot be read back."""


class Spool:
    """Batches on disk.

    Args:
        folder: The directory; made when it is first needed.
        max_bytes: Most that it may hold.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._counted_s = float("-inf")
        self._counter = itertools.count()

    def add(self, batches: Sequence[Batch]) -> None:
        """Write batches; they survive a power cut on return.

        Args:
            batches: The batches, kept together.

        Raises:
            SpoolFull: If there is no room; nothing was written then.
        """
        content = json.dumps(
            [
                [batch.tenant, batch.received_ms, [event.to_json() for event in batch.events]]
                for batch in batches
            ],
            separators=(",", ":"),
        ).encode()
        if self.count_bytes() + len(content) > self._max_bytes:
            raise SpoolFull(f"the spool holds {self._num_bytes} of {self._max_bytes} bytes")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(content)
        except OSError as error:
            raise SpoolFull(f"the spool cannot be written: {error.strerror}") from error
        self._num_bytes += len(content)

    def list_files(self) -> list[Path]:
        """Return the files to be replayed, oldest first."""
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == SUFFIX)
        except FileNotFoundError:
            return []

    def load(self, file: Path) -> list[Batch]:
        """Return the batches of a file.

        Args:
            file: One of `list_files`.

        Returns:
            The batches; none where another process was faster and removed the file.

        Raises:
            BrokenSpoolFile: If it holds something else.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return []
        try:
            return [
                Batch(str(tenant), int(received_ms), tuple(map(Event.from_json, records)))
                for tenant, received_ms, records in json.loads(content)
            ]
        except (ValueError, TypeError, AttributeError, EventError) as error:
            raise BrokenSpoolFile(f"{file.name}: {type(error).__name__}") from error

    def remove(self, file: Path) -> None:
        """Forget a file that the database has taken.

        Args:
            file: The file; may be gone already.
        """
        file.unlink(missing_ok=True)
        self._counted_s = float("-inf")

    def put_aside(self, file: Path) -> None:
        """Rename a file that cannot be replayed, for a person to look at.

        Args:
            file: The file.
        """
        logger.error("spool file %s cannot be replayed; kept as %s%s", file, file.name, BROKEN)
        file.rename(file.with_name(file.name + BROKEN))

    def remove_abandoned(self) -> None:
        """Delete unfinished files that a killed process left; nobody was told they were stored."""
        oldest_s = time.time() - ABANDONED_AFTER_S
        for path in self._list_all():
            if path.suffix == UNFINISHED and _stat_mtime_s(path) < oldest_s:
                path.unlink(missing_ok=True)

    def count_bytes(self) -> int:
        """Return the bytes that wait in the directory, all processes' together."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= RECOUNT_AFTER_S:
            self._num_bytes = sum(_stat_num_bytes(path) for path in self._list_all())
            self._counted_s = now_s
        return self._num_bytes

    def _list_all(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []

    def _write(self, content: bytes) -> None:
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(self._counter)}"
        unfinished = self._folder / (name + UNFINISHED)
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.rename(self._folder / (name + SUFFIX))
            _sync_directory(self._folder)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stat_num_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _stat_mtime_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
