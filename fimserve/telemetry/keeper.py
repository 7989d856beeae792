"""What happens to the store by itself: finding the database again, replaying, deleting by age.

On a thread of its own, so that nobody who sends events waits for any of it.
"""

import logging
import threading
import time

from fimserve.telemetry.database import BatchRefused, Database, DatabaseAway
from fimserve.telemetry.errors import TelemetryError
from fimserve.telemetry.retention import Retention
from fimserve.telemetry.spool import BrokenSpoolFile, Spool

__all__ = ["Keeper"]

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.25, 5.0
"""Pause before the first look for a database that went away, doubled up to the last."""
LOOK_AROUND_S = 5.0
"""Pause between looks for spool files that another process left behind."""
PRUNE_EVERY_S = 3_600.0


class Keeper:
    """Keeps a database usable and young.

    Args:
        database: The database.
        spool: What waits for it.
        retention: How long what is kept.
        is_ready: Whether the database may be used now.
    """

    def __init__(
        self,
        database: Database,
        spool: Spool,
        retention: Retention,
        is_ready: bool,
    ) -> None:
        self._database = database
        self._spool = spool
        self._retention = retention
        self._is_ready = is_ready
        self._retry_s = FIRST_RETRY_S
        self._next_prune_s = time.monotonic()
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events-keeper", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether the database was there when it was last used."""
        return self._is_ready

    def report_away(self, reason: DatabaseAway) -> None:
        """Take note that the database is away, and begin to look for it.

        Args:
            reason: How it was noticed.
        """
        if self._is_ready:
            logger.warning("events go to the spool: %s", reason)
            self._is_ready = False
            self._wake.set()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._step()
            except DatabaseAway as error:
                self.report_away(error)
            except Exception:
                # Nobody waits for this thread; the next look may do better.
                logger.exception("looking after the event store failed")
            self._pause()

    def _pause(self) -> None:
        if self._is_ready:
            self._retry_s = FIRST_RETRY_S
            self._wake.wait(LOOK_AROUND_S)
            self._wake.clear()
        else:
            self._closing.wait(self._retry_s)
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)

    def _step(self) -> None:
        if not self._is_ready and not self._find_database():
            return
        self._replay()
        if time.monotonic() >= self._next_prune_s:
            self._next_prune_s = time.monotonic() + PRUNE_EVERY_S
            self._retention.enforce(self._database)
            self._spool.remove_abandoned()

    def _find_database(self) -> bool:
        self._database.drop_connections()
        try:
            self._database.prepare()
        except DatabaseAway as error:
            logger.debug("the event database is still away: %s", error)
            return False
        except TelemetryError as error:  # somebody must do something
            logger.error("the event database cannot be used, events go to the spool: %s", error)
            return False
        logger.warning("the event database is back")
        self._is_ready = True
        return True

    def _replay(self) -> None:
        for file in self._spool.list_files():
            if self._closing.is_set():
                return
            try:
                self._database.insert(self._spool.load(file))
            except (BatchRefused, BrokenSpoolFile):
                self._spool.put_aside(file)
            else:
                self._spool.remove(file)
