"""Makes the database library's engine: every connection durable at commit, none that hangs.

The only file that knows what SQLite and PostgreSQL need to be told.
"""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from fimserve.telemetry.directories import make_directory
from fimserve.telemetry.errors import StoreSettingsError

__all__ = ["READS_ONLY", "create_sqlite_file", "make_engine"]

READS_ONLY = {"reads_only": True}
"""Execution options of a connection that will not write."""

BUSY_TIMEOUT_MS = 5_000
"""How long SQLite waits for another process's commit before the spool takes the batch."""
RETRY_S = 0.01
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 20_000
"""PostgreSQL gives a statement up after this time, and the spool takes the batch."""

_CREATING = threading.Lock()

SQLITE_PRAGMAS = (
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
    # NORMAL would lose the last commits in a power cut.
    "synchronous = FULL",
    # Deleted code is overwritten, not just unlinked.
    "secure_delete = ON",
)
POSTGRESQL_SETTINGS = (
    # Whatever the server's default: 2xx means durable.
    "SET synchronous_commit TO on",
    f"SET statement_timeout TO {STATEMENT_TIMEOUT_MS}",
    f"SET idle_in_transaction_session_timeout TO {STATEMENT_TIMEOUT_MS}",
)
POSTGRESQL_CONNECT = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "application_name": "fimserve-events",
    # A server that vanished without a word is noticed within seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def make_engine(url: URL) -> Engine:
    """Return an engine for a database that may be away; connects to nothing.

    Args:
        url: The database.

    Returns:
        The engine.
    """
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url)
    engine = create_engine(url, connect_args=POSTGRESQL_CONNECT, pool_size=2, max_overflow=2)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            for statement in POSTGRESQL_SETTINGS:
                cursor.execute(statement)
        connection.commit()

    return engine


def create_sqlite_file(file: Path) -> None:
    """Create the file and its directory where they are not there, readable by this user only.

    A file that is there is never opened here: closing a descriptor of it would drop all locks of
    this process on it, and another process would delete the log that is in use (see "How To
    Corrupt An SQLite Database File", section 2.2).

    Args:
        file: The database file.

    Raises:
        StoreSettingsError: If it cannot be created or written.
    """
    try:
        make_directory(file.parent)
        # Whoever finds the file connects, so it must be closed before anybody here finds it.
        with _CREATING, suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        problem = error.strerror
    else:
        if file.is_file() and os.access(file, os.R_OK | os.W_OK):
            return
        problem = "not a file" if file.exists() and not file.is_file() else "not allowed"
    raise StoreSettingsError(f"cannot write {file}: {problem}; set url to another file, or to off")


def _make_sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        # The driver's own idea of when a transaction begins is switched off.
        connection.isolation_level = None
        for pragma in SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        _switch_to_wal(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that writes says so at its start: two that read first and then write would
        # fail instead of waiting for each other.
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer go on beside each other; a file stays so once it is.

    The switch of a new file does not wait for other processes, whatever the busy timeout: those
    that start together would find the database locked.
    """
    due_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= due_s:
                raise
            time.sleep(RETRY_S)
