"""Inserts many rows with one call of the driver; rows that are there already stay as they are.

The library above would look at each value of each row first, which takes longer than the database
does. SQLite takes tuples. PostgreSQL takes all rows as one JSON text: it runs one statement instead
of one for each row, and the driver converts one value instead of thousands.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, String, Table
from sqlalchemy.dialects import postgresql

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
    rows = zip(*columns.values(), strict=True)
    if connection.dialect.name == "postgresql":
        given = ", ".join(f"{quote(name)} {_name_type(table, name)}" for name in columns)
        values = f"SELECT * FROM json_to_recordset(%s::json) AS given ({given})"
        parameters: Any = (
            to_json([dict(zip(columns, row, strict=True)) for row in rows]).decode(),
        )
    else:
        values = f"VALUES ({', '.join('?' * len(columns))})"
        parameters = list(rows)
    inserted = connection.exec_driver_sql(
        f"INSERT INTO {quote(table.name)} ({names}) {values} ON CONFLICT DO NOTHING",
        parameters,
        execution_options={"preserve_rowcount": True},
    )
    return inserted.rowcount


@cache
def _name_type(table: Table, name: str) -> str:
    type_ = table.c[name].type
    # As VARCHAR(64) what is too long would be cut; as TEXT it is refused.
    if isinstance(type_, String):
        return "TEXT"
    return type_.compile(postgresql.dialect())  # type: ignore[no-untyped-call]
