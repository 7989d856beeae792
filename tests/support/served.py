"""`fimserve serve` as a process of its own, on the embedded model: what a user starts.

Its event store and its log can be read, so that a test sees what a client did.
"""

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 180.0
"""The model loads in seconds on a quiet machine, and in a minute on one that is busy."""
STOP_TIMEOUT_S = 20.0

READY = re.compile(r"is ready at (http://\S+)")
COMPLETED = re.compile(r"request_id=(\S+) route=/v1/completions status=(\d+)")


@dataclass(frozen=True, slots=True)
class ServedProcess:
    """A running service."""

    url: str
    log: Path
    store: Path

    def completions(self) -> list[str]:
        """Return the ids of the completions that it has been asked for, those given up too."""
        return [found[1] for found in COMPLETED.finditer(self.log.read_text())]

    def events(self) -> list[dict[str, object]]:
        """Return the events that it has stored, in their order, without what is null."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT * FROM events ORDER BY seq").fetchall()
        return [{key: row[key] for key in row.keys() if row[key] is not None} for row in rows]  # noqa: SIM118


@contextmanager
def serve_process(folder: Path, *arguments: str) -> Iterator[ServedProcess]:
    """Run `fimserve serve` for the length of a `with` block.

    Args:
        folder: Where its log and its events go.
        *arguments: Further arguments of the command.

    Yields:
        The running service.
    """
    log, store = folder / "serve.log", folder / "events.db"
    command = [sys.executable, "-m", "fimserve", "serve", "--port", "0", *arguments]
    environment = {**os.environ, "FIMSERVE_TELEMETRY_URL": f"sqlite:///{store}"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield ServedProcess(_wait_for_url(process, log), log, store)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    ends_s = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < ends_s:
        if (found := READY.search(log.read_text(errors="replace"))) is not None:
            return found[1]
        time.sleep(0.2)
    raise RuntimeError(f"fimserve did not start:\n{log.read_text(errors='replace')}")
