"""Inserts many rows with one call of the driver; rows that are there already stay as they are.

Column by column, as the driver takes them: the library above would make a dict of each row first,
which takes longer than the database. SQLite takes rows, PostgreSQL one array for each column, so
that it plans and runs one statement instead of one for each row.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, String, Table

__all__ = ["insert_columns"]


def insert_columns(
    connection: Connection, table: Table, columns: Mapping[str, Sequence[object]]
) -> int:
    """Insert rows that are not there yet.

    Args:
        connection: In a transaction.
        table: Where.
        columns: Values by the name of their column, equally many of each.

    Returns:
        Number of rows that were not there.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, columns))
    if connection.dialect.name == "postgresql":
        casts = ", ".join(f"%s::{_name_array(table, name, connection)}" for name in columns)
        values = f"SELECT * FROM unnest({casts})"
        parameters: Any = tuple(map(list, columns.values()))
    else:
        values = f"VALUES ({', '.join('?' * len(columns))})"
        parameters = list(zip(*columns.values(), strict=True))
    inserted = connection.exec_driver_sql(
        f"INSERT INTO {quote(table.name)} ({names}) {values} ON CONFLICT DO NOTHING",
        parameters,
        execution_options={"preserve_rowcount": True},
    )
    return inserted.rowcount


def _name_array(table: Table, name: str, connection: Connection) -> str:
    type_ = table.c[name].type
    # A cast to VARCHAR(64) would cut what is too long; as TEXT it is refused.
    one = "TEXT" if isinstance(type_, String) else type_.compile(connection.dialect)
    return f"{one}[]"
