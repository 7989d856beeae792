"""Looks into an event database from outside, past the store under test."""

from typing import Any

from sqlalchemy import Engine, create_engine, select, text

from fimserve.telemetry.tables import METADATA


def open_engine(url: str) -> Engine:
    """Return an engine of the test's own.

    Args:
        url: The database, as in the settings.
    """
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def read_rows(url: str, where: str = "1 = 1", table: str = "events") -> list[dict[str, Any]]:
    """Return rows of a table, oldest first.

    Args:
        url: The database.
        where: Condition in SQL.
        table: The table.
    """
    engine = open_engine(url)
    found = METADATA.tables[table]
    query = select(found).where(text(where)).order_by(*found.primary_key)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
    finally:
        engine.dispose()


def find_damage(url: str) -> list[str]:
    """Return what SQLite finds wrong with its file; PostgreSQL is not asked.

    Args:
        url: The database.
    """
    if not url.startswith("sqlite"):
        return []
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
    finally:
        engine.dispose()
    return [line for line in found if line != "ok"]


def read_stored(url: str) -> dict[str, list[str]]:
    """Return the ids of all stored events by tenant, each as often as it is there.

    Args:
        url: The database.
    """
    stored: dict[str, list[str]] = {}
    for row in read_rows(url):
        stored.setdefault(row["tenant"], []).append(row["id"])
    return stored
