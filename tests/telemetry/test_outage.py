"""A database that goes away: nothing acknowledged is lost, and nothing counts twice after."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.telemetry import Event, StoreUnavailable, TelemetrySettings, open_event_store
from fimserve.telemetry.sql_store import SqlEventStore
from fimserve.telemetry.store import Appended
from support.events import make_event, make_events
from support.postgres import Postgres
from support.stored import read_stored

TIMEOUT_S = 30.0


def open_store(url: str, directory: Path) -> SqlEventStore:
    """Return the store at a URL with a spool of one MiB."""
    settings = TelemetrySettings(url=url, spool=str(directory / "spool"), max_spool_mib=1)
    store = open_event_store(settings)
    assert store is not None
    return store


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails where it never does."""
    end_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < end_s, "it never came true"
        time.sleep(0.02)


def spool_files(directory: Path) -> list[Path]:
    """Return the files that wait for the database."""
    return list((directory / "spool").glob("*.json"))


@contextmanager
def away(postgres: Postgres) -> Iterator[None]:
    """Stop the server for the length of a `with` block."""
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@pytest.mark.postgres
def test_events_wait_in_the_spool_and_are_replayed_once(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.make_database()
    store = open_store(url, tmp_path)
    before, during = make_events(5), make_events(5)
    store.append("one", before)
    with away(postgres):
        assert store.append("one", during) == Appended(5, 0)
        assert not store.is_database_ready
        # Sent again, as by a client that lost the answer.
        store.append("one", before + during)
        assert len(spool_files(tmp_path)) == 2
    wait_until(lambda: store.is_database_ready and not spool_files(tmp_path))
    assert store.append("one", during) == Appended(0, 5)
    store.close()
    assert read_stored(url) == {"one": [event.id for event in before + during]}


@pytest.mark.postgres
def test_a_service_starts_without_its_database(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.make_database()
    with away(postgres):
        store = open_store(url, tmp_path)
        store.append("one", [make_event("a")])
        store.close()
        assert len(spool_files(tmp_path)) == 1
    # The next process finds the file, and makes the tables that were never made.
    store = open_store(url, tmp_path)
    wait_until(lambda: not spool_files(tmp_path))
    store.close()
    assert read_stored(url) == {"one": ["a"]}


@pytest.mark.postgres
def test_a_full_spool_refuses_and_what_was_acknowledged_arrives(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.make_database()
    store = open_store(url, tmp_path)
    acknowledged: list[str] = []
    events = make_events(100)
    with away(postgres):
        with pytest.raises(StoreUnavailable, match="full") as caught:
            send_until_refused(store, events, acknowledged)
        assert caught.value.retry_after_s > 0
        assert sum(file.stat().st_size for file in spool_files(tmp_path)) <= 1 << 20
    assert len(acknowledged) > 1_000
    wait_until(lambda: not spool_files(tmp_path))
    assert store.append("two", events) == Appended(100, 0)
    store.close()
    stored = read_stored(url)
    assert sorted(stored["one"]) == sorted(acknowledged)
    assert len(stored["two"]) == 100


def send_until_refused(store: SqlEventStore, events: list[Event], acknowledged: list[str]) -> None:
    """Send the events under new ids again and again; ids that were taken are acknowledged."""
    for batch in range(200):
        renamed = [replace(event, id=f"{batch}-{event.id}") for event in events]
        store.append("one", renamed)
        acknowledged += [event.id for event in renamed]


@pytest.mark.postgres
def test_no_event_is_lost_while_the_database_comes_and_goes(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.make_database()
    store = open_store(url, tmp_path)
    futures = []
    sent = []
    for _ in range(3):
        with away(postgres):
            for _ in range(10):
                sent.append(make_event())
                futures.append(store.submit("one", sent[-1:]))
        for _ in range(10):
            sent.append(make_event())
            futures.append(store.submit("one", sent[-1:]))
            time.sleep(0.01)
    assert all(future.result(TIMEOUT_S).num_new == 1 for future in futures)
    wait_until(lambda: store.is_database_ready and not spool_files(tmp_path))
    store.close()
    assert sorted(read_stored(url)["one"]) == sorted(event.id for event in sent)


def test_a_locked_sqlite_file_is_a_database_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fimserve.telemetry.connections.BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("fimserve.telemetry.connections.SQLITE_PRAGMAS", ("busy_timeout = 50",))
    file = tmp_path / "events.db"
    store = open_store(f"sqlite:///{file}", tmp_path)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert store.append("one", [make_event("a")]) == Appended(1, 0)
    assert len(spool_files(tmp_path)) == 1
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: not spool_files(tmp_path))
    store.close()
    assert read_stored(f"sqlite:///{file}") == {"one": ["a"]}


def test_a_spool_file_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0.json").write_text("[")
    (tmp_path / "spool" / "1.json").write_text(
        '[["one", 1700000000000, [{"id": "a", "type": "requested", "at_ms": 0}]]]'
    )
    settings = TelemetrySettings(url=url, spool=str(tmp_path / "spool"), retention_days=0)
    store = open_event_store(settings)
    assert store is not None
    wait_until(lambda: not spool_files(tmp_path))
    store.close()
    assert read_stored(url) == {"one": ["a"]}
    assert (tmp_path / "spool" / "0.json.broken").exists()
