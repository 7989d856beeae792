"""Migrations: a database of the first version, with its events, becomes one of today's."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, make_url, text

from fimserve.telemetry import StoreMismatch, TelemetrySettings, open_event_store
from fimserve.telemetry.connections import make_engine
from fimserve.telemetry.migrate import VERSION_TABLE, migrate
from fimserve.telemetry.store import Appended
from fimserve.telemetry.tables import METADATA
from support.events import make_event
from support.stored import open_engine, read_stored

FIRST = "0001"

FIRST_EVENT = """
INSERT INTO events (tenant, received_ms, id, type, at_ms, completion_id, schema_version, language)
VALUES ('one', 1700000000000, 'from-version-1', 'shown', 1700000000000, 'cmpl-1', 1, 'python')
"""
"""As the first version stored it: written out, so that today's code has no part in it."""


def migrate_to(url: str, target: str) -> None:
    """Bring a database to a version and no further.

    Args:
        url: The database.
        target: Revision.
    """
    engine = make_engine(make_url(url.replace("postgresql:", "postgresql+psycopg:")))
    with engine.begin() as connection:
        migrate(connection, target)
    engine.dispose()


@pytest.fixture
def old_url(url: str) -> str:
    """Return the URL of a database of the first version that holds an event."""
    migrate_to(url, FIRST)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text(FIRST_EVENT))
    engine.dispose()
    return url


def open_and_close(url: str, spool: Path) -> None:
    """Open the store at a URL, which migrates it."""
    store = open_event_store(TelemetrySettings(url=url, spool=str(spool)))
    assert store is not None
    store.close()


def test_a_first_version_s_events_are_there_and_known_after_an_upgrade(
    old_url: str, tmp_path: Path
) -> None:
    # 400 days would delete the event, which is of 2023.
    settings = TelemetrySettings(url=old_url, spool=str(tmp_path / "s"), retention_days=0)
    store = open_event_store(settings)
    assert store is not None
    again, new = make_event("from-version-1"), make_event("new", completion_text="x")
    assert store.append("one", [again, new]) == Appended(1, 1)
    store.close()
    assert read_stored(old_url) == {"one": ["from-version-1", "new"]}


@pytest.mark.parametrize("start", [None, FIRST])
def test_migrations_lead_to_the_tables_the_code_uses(
    url: str, tmp_path: Path, start: str | None
) -> None:
    if start:
        migrate_to(url, start)
    open_and_close(url, tmp_path / "spool")
    engine = open_engine(url)
    with engine.connect() as connection:
        assert compare_with_code(connection) == []
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, VERSION_TABLE}
    engine.dispose()


def compare_with_code(connection: Connection) -> list[object]:
    """Return how a database's tables differ from those the code uses."""
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    context = MigrationContext.configure(connection, opts=options)
    differences: list[object] = compare_metadata(context, METADATA)
    return differences


def test_the_comparison_would_see_a_missing_column(url: str, tmp_path: Path) -> None:
    open_and_close(url, tmp_path / "spool")
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events DROP COLUMN arm"))
    with engine.connect() as connection:
        assert "arm" in str(compare_with_code(connection))
    engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(url: str, tmp_path: Path) -> None:
    open_and_close(url, tmp_path / "spool")
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreMismatch, match="9999"):
        open_and_close(url, tmp_path / "spool")


def test_a_migration_that_is_cut_short_leaves_the_database_as_it_was(old_url: str) -> None:
    engine = make_engine(make_url(old_url.replace("postgresql:", "postgresql+psycopg:")))
    with engine.connect() as connection, connection.begin() as transaction:
        migrate(connection)
        assert "event_texts" in inspect(connection).get_table_names()
        transaction.rollback()
    with engine.connect() as connection:
        assert "event_texts" not in inspect(connection).get_table_names()
        found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    engine.dispose()
    assert found == FIRST
