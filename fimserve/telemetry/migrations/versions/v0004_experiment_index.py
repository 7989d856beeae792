"""An index by which an experiment's metrics are read without sorting its events."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index."""
    is_in_one = sa.text("experiment IS NOT NULL")
    op.create_index(
        "ix_events_experiment",
        "events",
        ["experiment", "tenant", "completion_id", "choice_index"],
        sqlite_where=is_in_one,
        postgresql_where=is_in_one,
    )
