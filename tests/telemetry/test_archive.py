"""What an operator sees: counts, an export that other tools read, deletion by age."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from fimserve.telemetry import (
    EVENT_RULES,
    TEXT_FIELDS,
    ExportError,
    StoreUnavailable,
    TelemetrySettings,
    open_event_store,
)
from fimserve.telemetry import database as database_module
from fimserve.telemetry.archive import open_archive
from support.events import make_event, make_events
from support.postgres import Postgres
from support.stored import open_engine, read_rows, read_stored

DAY_MS = 86_400_000


@pytest.fixture
def settings(url: str, tmp_path: Path) -> TelemetrySettings:
    """Return settings of a store that keeps events 30 days and the code of `open` 7."""
    return TelemetrySettings(
        url=url,
        spool=str(tmp_path / "spool"),
        retention_days=30,
        store_text=("open",),
        text_retention_days=7,
    )


def fill(settings: TelemetrySettings, num: int, age_days: float, **values: object) -> None:
    """Store events that were received some days ago."""
    # A store deletes as soon as it is opened.
    store = open_event_store(replace(settings, retention_days=0, text_retention_days=9_999))
    assert store is not None
    events = make_events(num, **values)
    store.append("open", events)
    store.close()
    engine = open_engine(settings.url)
    received_ms = int(time.time() * 1000 - age_days * DAY_MS)
    ids = ", ".join(f"'{event.id}'" for event in events)
    with engine.begin() as connection:
        for table in ("events", "event_texts"):
            update = f"UPDATE {table} SET received_ms = {received_ms} WHERE id IN ({ids})"
            connection.execute(text(update))
    engine.dispose()


def test_what_is_too_old_is_deleted_and_nothing_else(
    settings: TelemetrySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "MAX_DELETED_AT_ONCE", 3)
    fill(settings, 2, age_days=29.9, completion_text="x")
    fill(settings, 2, age_days=6.9, completion_text="y")
    fill(settings, 10, age_days=30.1)
    with open_archive(settings) as archive:
        assert archive.count().num_texts == 4
        assert archive.prune() == 10
        assert archive.prune() == 0
        assert archive.count().num_texts == 2
    assert len(read_rows(settings.url)) == 4
    assert {row["completion_text"] for row in read_rows(settings.url, table="event_texts")} == {"y"}


def test_a_running_store_deletes_by_itself(settings: TelemetrySettings) -> None:
    fill(settings, 3, age_days=31)
    store = open_event_store(settings)
    assert store is not None
    end_s = time.monotonic() + 20
    while read_rows(settings.url) and time.monotonic() < end_s:
        time.sleep(0.02)
    store.close()
    assert read_rows(settings.url) == []


def test_deleted_code_is_gone_from_sqlite_s_files(tmp_path: Path) -> None:
    def everything() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("events.db*"))

    settings = TelemetrySettings(url=f"sqlite:///{tmp_path}/events.db", store_text=("open",))
    # A service that goes on running: the file and its log stay open.
    running = open_event_store(replace(settings, text_retention_days=9_999, retention_days=0))
    assert running is not None
    fill(settings, 1, age_days=20, completion_text="hunter2")
    assert b"hunter2" in everything()
    with open_archive(settings) as archive:
        archive.prune()
        assert b"hunter2" not in everything()
    running.close()


def test_zero_days_keep_events_for_ever(url: str, tmp_path: Path) -> None:
    settings = TelemetrySettings(url=url, spool=str(tmp_path / "spool"), retention_days=0)
    fill(settings, 1, age_days=9_000)
    with open_archive(settings) as archive:
        assert archive.prune() == 0
    assert len(read_rows(url)) == 1


def test_counts_are_by_tenant_and_type(settings: TelemetrySettings, tmp_path: Path) -> None:
    store = open_event_store(settings)
    assert store is not None
    store.append("a", [*make_events(3), make_event(type="accepted")])
    store.append("b", make_events(2))
    store.close()
    (tmp_path / "spool").mkdir(exist_ok=True)
    (tmp_path / "spool" / "1.json").write_text("[]")
    with open_archive(settings) as archive:
        counts = archive.count()
    assert [one[:3] for one in counts.types] == [
        ("a", "accepted", 1),
        ("a", "shown", 3),
        ("b", "shown", 2),
    ]
    assert (counts.num_spooled_files, counts.num_spooled_bytes) == (1, 2)


def test_an_export_holds_every_field_and_no_code(
    settings: TelemetrySettings, tmp_path: Path
) -> None:
    events = [
        make_event(type="persisted", after_s=30, difference=0.25, completion_text="x = 1"),
        make_event(multiline=True, prefix_chars=12, ttft_ms=31.5, kind="identifier"),
    ]
    store = open_event_store(settings)
    assert store is not None
    store.append("open", events)
    store.close()
    file = tmp_path / "events.parquet"
    with open_archive(settings) as archive:
        assert archive.export(file) == 2
    table = pq.read_table(file)
    names = [name for name in EVENT_RULES if name not in TEXT_FIELDS]
    assert table.column_names == ["seq", "tenant", "received_ms", *names]
    for row, event in zip(table.to_pylist(), events, strict=True):
        stored = {name: row[name] for name in names if row[name] is not None}
        assert stored == event.without_text().to_json()
    with open_archive(settings) as archive:
        archive.export(file, with_text=True)
    assert pq.read_table(file)["completion_text"].to_pylist() == ["x = 1", None]


def test_an_export_goes_through_all_pages_from_a_day_on(
    settings: TelemetrySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings, 7, age_days=10)
    fill(settings, 7, age_days=1)
    monkeypatch.setattr(database_module, "PAGE_EVENTS", 3)
    file = tmp_path / "events.parquet"
    since_ms = int(time.time() * 1000) - 2 * DAY_MS
    with open_archive(settings) as archive:
        assert archive.export(file) == 14
        assert archive.export(file, since_ms) == 7
    seqs = pq.read_table(file)["seq"].to_pylist()
    assert seqs == sorted(seqs)
    assert read_stored(settings.url)["open"][7:] == pq.read_table(file)["id"].to_pylist()


def test_without_pyarrow_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    settings = TelemetrySettings(url=f"sqlite:///{tmp_path}/events.db")
    with open_archive(settings) as archive, pytest.raises(ExportError, match=r"fimserve\[parquet"):
        archive.export(tmp_path / "events.parquet")


def test_an_export_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    settings = TelemetrySettings(url=f"sqlite:///{tmp_path}/events.db")
    with open_archive(settings) as archive, pytest.raises(ExportError, match="cannot write"):
        archive.export(tmp_path / "nowhere" / "events.parquet")


@pytest.mark.postgres
def test_a_database_that_is_away_is_said(postgres: Postgres) -> None:
    settings = TelemetrySettings(url=postgres.make_database())
    postgres.stop()
    try:
        with pytest.raises(StoreUnavailable, match="away"), open_archive(settings):
            pass
    finally:
        postgres.start()
