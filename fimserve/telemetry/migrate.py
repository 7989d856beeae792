"""Brings a database to the newest version of the tables, once, whoever starts at the same time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from fimserve.telemetry.errors import StoreMismatch

__all__ = ["VERSION_TABLE", "migrate"]

VERSION_TABLE = "events_version"
"""Not alembic's usual name: the database may hold other programs' tables."""
MIGRATIONS = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 0x66696D5F65767473
"""Any number that no other program uses."""


def migrate(connection: Connection, target: str = "head") -> None:
    """Run the migrations that the database has not seen, in the caller's transaction.

    Args:
        connection: A connection that has begun to write; SQLite's is then the only one.
        target: Revision to stop at, for tests.

    Raises:
        StoreMismatch: If a newer fimserve has been here.
    """
    if connection.dialect.name == "postgresql":
        # An index over a large table takes as long as it takes.
        connection.execute(text("SET LOCAL statement_timeout TO 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    config = Config()
    # The option goes through string interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    revisions = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    found = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    if found is not None and found not in revisions:
        raise StoreMismatch(
            f"the database has version {found} of the event tables and this fimserve knows "
            f"{revisions[0]} at most; use the newer fimserve"
        )
    if found != revisions[0]:
        command.upgrade(config, target)
