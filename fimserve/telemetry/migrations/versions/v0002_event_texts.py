"""Code lies apart from the numbers, with a retention time of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of texts."""
    op.create_table(
        "event_texts",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("completion_text", sa.Text()),
        sa.Column("prefix_text", sa.Text()),
        sa.Column("suffix_text", sa.Text()),
    )
    op.create_index("ix_event_texts_received_ms", "event_texts", ["received_ms"])
