"""A process that looks into an event database again and again, as reports and `fimserve ab` do.

    python -m support.visitor DATABASE_URL

Opens the database, reads, and closes it, until its standard input ends; then prints how often.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fimserve.telemetry import TelemetrySettings
from fimserve.telemetry.errors import StoreUnavailable
from fimserve.telemetry.kind_acceptance import read_kind_acceptance


@dataclass(slots=True)
class Visits:
    """What a visitor did."""

    num: int = 0
    """Known once it has left."""


@contextmanager
def have_visitor(url: str) -> Iterator[Visits]:
    """Have the database looked at by another process for the length of a `with` block.

    Args:
        url: The database.

    Yields:
        What the visitor did, once the block is over.
    """
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "support.visitor", url]
    pipe = subprocess.PIPE
    visits = Visits()
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        try:
            yield visits
            told, _ = process.communicate(timeout=60)
            visits.num = int(told)
        finally:
            process.kill()


def main(url: str) -> None:
    """Look until nobody holds the other end of standard input."""
    settings, num = TelemetrySettings(url=url), 0
    left = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), left.set()), daemon=True).start()
    while not left.wait(0.02):
        try:
            read_kind_acceptance(settings)
        except StoreUnavailable:  # a moment without a database, or without its tables
            continue
        num += 1
    sys.stdout.write(f"{num}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
