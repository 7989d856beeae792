"""`kill -9` at random moments under load: what was acknowledged is there, once, and whole.

Editors send batches and send them again until they are answered; the server is killed and started
again under them, while another process opens, reads and closes the database. `make test` runs a
few lives, the suite of slow tests two hundred.
"""

import http.client
import json
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest

from support.events_server import Life, ServerNursery, open_nursery
from support.postgres import Postgres
from support.stored import find_damage, read_stored
from support.visitor import have_visitor

logger = logging.getLogger(__name__)

NUM_EDITORS = 3
TIMEOUT_S = 20.0


@dataclass
class Editor:
    """Sends batches one after the other, each until it is acknowledged."""

    name: str
    find_port: Callable[[], int]
    sent: list[list[str]] = field(default_factory=list)
    """Ids of each batch."""
    acknowledged: list[list[str]] = field(default_factory=list)
    num_resent: int = 0
    is_stopped: bool = False

    def run(self) -> None:
        """Send until told to stop."""
        rng = random.Random(self.name)
        while not self.is_stopped:
            ids = [f"{self.name}-{len(self.sent)}-{i}" for i in range(rng.randint(1, 50))]
            self.sent.append(ids)
            while not self.is_stopped and not self._send(ids):
                self.num_resent += 1
                time.sleep(0.01)

    def _send(self, ids: list[str]) -> bool:
        events = [{"id": one, "type": "requested", "at_ms": 0, "language": "c"} for one in ids]
        connection = http.client.HTTPConnection("127.0.0.1", self.find_port(), timeout=5)
        try:
            connection.request("POST", "/v1/events", json.dumps({"events": events}))
            answer = connection.getresponse()
            counts = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            return False
        assert counts["accepted"] + counts["duplicates"] == len(ids)
        self.acknowledged.append(ids)
        return True


class Torture:
    """Kills servers under editors at work.

    Args:
        nursery: Starts servers.
        rng: Decides the moments.
    """

    def __init__(self, nursery: ServerNursery, rng: random.Random) -> None:
        self._nursery = nursery
        self._rng = rng
        self._life = nursery.start()
        self.editors = [Editor(f"e{i}", lambda: self._life.port) for i in range(NUM_EDITORS)]

    def run(self, num_kills: int, around_life: Callable[[int], None] = lambda _: None) -> None:
        """Let editors work through this many lives of the server, then stop all in peace.

        Args:
            num_kills: Kills.
            around_life: Called with the number of each life while it runs.
        """
        threads = [threading.Thread(target=editor.run) for editor in self.editors]
        for thread in threads:
            thread.start()
        try:
            for number in range(num_kills):
                around_life(number)
                time.sleep(self._rng.uniform(0.0, 0.3))
                os.kill(self._life.pid, signal.SIGKILL)
                self._life = self._nursery.start()
            time.sleep(0.2)
        finally:
            for editor in self.editors:
                editor.is_stopped = True
            for thread in threads:
                thread.join()
        stop(self._life)

    def check(self, stored: list[str]) -> None:
        """Check that the store holds what it must and nothing else.

        Args:
            stored: Ids in the database, each as often as it is there.
        """
        there = set(stored)
        assert len(stored) == len(there), "an event counts twice"
        num_acknowledged = 0
        for editor in self.editors:
            for ids in editor.acknowledged:
                assert there.issuperset(ids), "an acknowledged event is lost"
                num_acknowledged += len(ids)
            for ids in editor.sent:
                assert len(there.intersection(ids)) in (0, len(ids)), "half a batch is stored"
        all_sent = {one for editor in self.editors for ids in editor.sent for one in ids}
        assert there <= all_sent
        assert num_acknowledged > 100, "the editors did not get to work"
        assert sum(editor.num_resent for editor in self.editors) > 0, "nobody noticed a kill"


def stop(life: Life) -> None:
    """Tell a server to stop, and see it end."""
    os.kill(life.pid, signal.SIGTERM)
    end_s = time.monotonic() + TIMEOUT_S
    with suppress(ProcessLookupError):
        while time.monotonic() < end_s:
            os.kill(life.pid, 0)
            time.sleep(0.02)
        pytest.fail("the server did not stop")


def run_torture(url: str, directory: Path, num_kills: int) -> None:
    """Kill a server this often over one database, and check what is left.

    Args:
        url: The database.
        directory: Where the spool goes.
        num_kills: Kills.
    """
    with open_nursery(url, str(directory / "spool")) as nursery, have_visitor(url) as visits:
        torture = Torture(nursery, random.Random(num_kills))
        torture.run(num_kills)
    assert list(directory.glob("spool/*.json")) == []
    assert visits.num > num_kills, "nobody else looked"
    assert find_damage(url) == []
    torture.check(read_stored(url)["local"])
    num_events = sum(len(ids) for editor in torture.editors for ids in editor.acknowledged)
    num_resent = sum(editor.num_resent for editor in torture.editors)
    logger.info(
        "%d kills: %d acknowledged, %d resent, %d visits",
        *(num_kills, num_events, num_resent, visits.num),
    )


def test_no_kill_loses_or_doubles_an_acknowledged_event(url: str, tmp_path: Path) -> None:
    run_torture(url, tmp_path, num_kills=5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_kills(url: str, tmp_path: Path) -> None:
    run_torture(url, tmp_path, num_kills=200)


@pytest.mark.postgres
def test_kills_while_the_database_comes_and_goes(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.make_database()
    with open_nursery(url, str(tmp_path / "spool")) as nursery:
        torture = Torture(nursery, random.Random(1))
        changes = [postgres.stop, lambda: None, postgres.start, lambda: None]
        torture.run(4, lambda number: changes[number]())
        end_s = time.monotonic() + TIMEOUT_S
        life = nursery.start()
        while list(tmp_path.glob("spool/*.json")) and time.monotonic() < end_s:
            time.sleep(0.05)
        stop(life)
    assert list(tmp_path.glob("spool/*.json")) == []
    torture.check(read_stored(url)["local"])
