"""Run by alembic: the migrations, on the connection and in the transaction of whoever called it."""

from alembic import context

from fimserve.telemetry.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
)
context.run_migrations()
