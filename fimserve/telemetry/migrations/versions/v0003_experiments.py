"""Experiments: what they are, and the key behind users' hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables, and the index by which an experiment's events are read."""
    op.create_table(
        "experiments",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger()),
        sa.Column("stopped_ms", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("buckets", sa.Text(), nullable=False),
        sa.Column("stopped_arms", sa.Text(), nullable=False),
    )
    op.create_table(
        "experiment_secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    is_part = sa.text("experiment IS NOT NULL")
    op.create_index(
        "ix_events_experiment",
        "events",
        ["experiment", "tenant", "completion_id", "choice_index"],
        sqlite_where=is_part,
        postgresql_where=is_part,
    )
