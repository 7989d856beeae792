"""Several parts of one process on one SQLite file, while other processes come and go.

Closing any descriptor of a file drops all of a process's locks on it, SQLite's included; another
process that leaves would then take itself for the last one and delete the log that is in use.
"""

import subprocess
import sys
from pathlib import Path

from fimserve.telemetry import TelemetrySettings, open_event_store
from fimserve.telemetry.database import Database
from fimserve.telemetry.location import find_location
from support.events import make_events
from support.experiments import open_watch

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM events").fetchone()[0])
print(connection.execute("PRAGMA integrity_check").fetchone()[0])
connection.close()
"""


def look_from_outside(file: Path) -> tuple[int, str]:
    """Return the number of events and the state of the file, as another process sees them."""
    command = [sys.executable, "-c", LOOK, str(file)]
    num, state = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(num), state


def test_a_second_opening_costs_nobody_his_locks(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    settings = TelemetrySettings(url=f"sqlite:///{file}")
    store = open_event_store(settings)
    assert store is not None
    store.append("one", make_events(20))
    watch = open_watch(settings.url)
    second = Database(find_location(settings))
    second.prepare()
    log = Path(f"{file}-wal")
    inode = log.stat().st_ino
    for round_ in range(1, 4):
        assert look_from_outside(file) == (20 * round_, "ok")
        assert log.stat().st_ino == inode, "another process deleted the log that is in use"
        store.append("one", make_events(20))
    second.drop_connections()
    watch.close()
    store.close()
    assert look_from_outside(file) == (80, "ok")
