"""The store on both databases: durable, idempotent, shared by threads and by processes."""

import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text

from fimserve.telemetry import (
    Event,
    StoreClosed,
    StoreSettingsError,
    TelemetrySettings,
    open_event_store,
)
from fimserve.telemetry.batch import Batch
from fimserve.telemetry.sql_store import SqlEventStore
from fimserve.telemetry.store import Appended
from fimserve.telemetry.tables import EVENT_COLUMNS
from support.events import any_event, make_event, make_events
from support.postgres import Postgres
from support.stored import open_engine, read_rows, read_stored


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[SqlEventStore]:
    opened = open_store(url, tmp_path)
    yield opened
    opened.close()


def open_store(url: str, directory: Path, **values: object) -> SqlEventStore:
    """Return the store at a URL, its spool in a directory."""
    spool = str(directory / "spool")
    store = open_event_store(TelemetrySettings(url=url, spool=spool, **values))  # type: ignore[arg-type]
    assert store is not None
    return store


def test_a_batch_counts_once_however_often_it_comes(store: SqlEventStore, url: str) -> None:
    events = make_events(3)
    assert store.append("one", events) == Appended(3, 0)
    assert store.append("one", events) == Appended(0, 3)
    assert store.append("one", [*events[:1], make_event()]) == Appended(1, 1)
    assert len(read_stored(url)["one"]) == 4


def test_an_id_twice_in_one_batch_counts_once(store: SqlEventStore, url: str) -> None:
    assert store.append("one", [make_event("a"), make_event("a")]) == Appended(1, 1)
    assert read_stored(url) == {"one": ["a"]}


def test_ids_of_one_tenant_are_not_those_of_another(store: SqlEventStore, url: str) -> None:
    assert store.append("one", [make_event("a")]) == Appended(1, 0)
    assert store.append("two", [make_event("a")]) == Appended(1, 0)
    assert read_stored(url) == {"one": ["a"], "two": ["a"]}


def test_what_came_first_stays(store: SqlEventStore, url: str) -> None:
    store.append("one", [make_event("a", language="python")])
    store.append("one", [make_event("a", language="rust")])
    assert [row["language"] for row in read_rows(url)] == ["python"]


def test_an_empty_batch_is_nothing(store: SqlEventStore) -> None:
    assert store.append("one", []) == Appended(0, 0)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(event=any_event())
def test_every_field_comes_back_as_it_was(store: SqlEventStore, url: str, event: Event) -> None:
    event = replace(event, id=make_event().id)  # hypothesis likes to use an id again
    store.append("one", [event])
    row = read_rows(url, f"id = '{event.id}'")[0]
    assert Event(**{name: row[name] for name in EVENT_COLUMNS}) == event.without_text()


def test_threads_that_send_the_same_ids_store_them_once(store: SqlEventStore, url: str) -> None:
    events = make_events(40)

    def send(number: int) -> Appended:
        # Each begins elsewhere, so that the orders differ.
        return store.append("one", events[number:] + events[:number])

    with ThreadPoolExecutor(16) as pool:
        appended = list(pool.map(send, range(16)))
    assert sum(one.num_new for one in appended) == 40
    assert sorted(read_stored(url)["one"]) == sorted(event.id for event in events)


WRITER = """
import sys
from fimserve.telemetry import Event, TelemetrySettings, open_event_store
url, spool, start = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = open_event_store(TelemetrySettings(url=url, spool=spool))
num_new = 0
for batch in range(start, start + 20):
    events = [
        Event(id=f"e-{number % 300}", type="shown", at_ms=0, completion_id="c")
        for number in range(batch * 15, batch * 15 + 20)
    ]
    num_new += store.append("one", events[::-1 if start % 2 else 1]).num_new
store.close()
print(num_new)
"""


def test_processes_that_start_together_share_an_empty_database(url: str, tmp_path: Path) -> None:
    # They also race to create the tables.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(tmp_path / "spool"), str(start)],
            stdout=subprocess.PIPE, text=True,
        )
        for start in range(4)
    ]  # fmt: skip
    nums_new = [int(process.communicate(timeout=50)[0]) for process in processes]
    stored = read_stored(url)["one"]
    assert len(stored) == len(set(stored)) == 300
    assert sum(nums_new) == 300


@pytest.mark.postgres
def test_a_deadlock_with_another_sender_is_tried_again(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.make_database()
    store = open_store(url, tmp_path)
    insert = (
        "INSERT INTO events (tenant, received_ms, id, type, at_ms, schema_version)"
        " VALUES ('one', 9000000000000, %s, 'requested', 0, 1) ON CONFLICT DO NOTHING"
    )
    with psycopg.connect(url) as other:
        # So that the store is the one that the server cuts short.
        other.execute("SET deadlock_timeout TO '60s'")
        other.execute(insert, ["b"])
        store.append("two", [make_event()])
        first, second = (Batch("one", 0, (make_event(id_),)) for id_ in "ab")
        with ThreadPoolExecutor(1) as pool:
            inserting = pool.submit(store._database.insert, [first, second])
            while not waits_for_a_lock(url):
                time.sleep(0.01)
            other.execute(insert, ["a"])
            other.commit()
            assert inserting.result(20) == [0, 0]
    store.close()
    assert sorted(read_stored(url)["one"]) == ["a", "b"]


def waits_for_a_lock(url: str) -> bool:
    """Return whether a connection of a store waits for another one's transaction."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'fimserve-events' AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    return row is not None and row[0] > 0


def test_a_closed_store_has_kept_what_was_submitted_and_takes_no_more(
    url: str, tmp_path: Path
) -> None:
    store = open_store(url, tmp_path)
    futures = [store.submit("one", make_events(5)) for _ in range(20)]
    store.close()
    assert [future.result(0) for future in futures] == [Appended(5, 0)] * 20
    assert len(read_stored(url)["one"]) == 100
    with pytest.raises(StoreClosed):
        store.append("one", make_events(1))
    store.close()


def test_a_batch_the_database_refuses_takes_no_other_with_it(
    store: SqlEventStore, url: str
) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE UNIQUE INDEX strange ON events (request_id)"))
    engine.dispose()
    good = make_events(2)
    # One group: they are submitted while the writer is busy with the first.
    futures = [store.submit("one", batch) for batch in (good, make_events(2, request_id="r"), [])]
    assert [future.result(5).num_new for future in futures] == [2, 1, 0]


def test_code_is_stored_only_for_tenants_that_allow_it(url: str, tmp_path: Path) -> None:
    store = open_store(url, tmp_path, store_text=("open",))
    event = make_event("a", completion_text="x = 1", prefix_text="# é\n")
    for tenant in ("open", "closed"):
        store.append(tenant, [event])
        store.append(tenant, [make_event("a", completion_text="later")])
    store.close()
    rows = read_rows(url, table="event_texts")
    assert [(row["tenant"], row["completion_text"], row["prefix_text"]) for row in rows] == [
        ("open", "x = 1", "# é\n")
    ]
    assert b"x = 1" not in b"".join(path.read_bytes() for path in tmp_path.glob("spool/*"))


def test_the_sqlite_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "events.db"
    open_store(f"sqlite:///{file}", tmp_path).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_that_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreSettingsError, match="cannot write"):
        open_store(f"sqlite:///{tmp_path}/file/events.db", tmp_path)


def test_store_can_be_switched_off() -> None:
    assert open_event_store(TelemetrySettings(url="off")) is None


def test_no_thread_outlives_the_store(url: str, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = open_store(url, tmp_path)
    assert [one for one in threading.enumerate() if one.name.startswith("events-")]
    store.close()
    left = set(threading.enumerate()) - before
    assert not [one for one in left if one.name.startswith("events-")]
