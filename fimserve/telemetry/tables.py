"""The tables that hold events, as the newest migration leaves them.

`experiments` holds what `fimserve ab` does, `experiment_secrets` the key behind users' hashes.
`events` has a column for each field of `Event`; code lies apart in `event_texts`, so that a reader
of numbers needs no right to read code, and so that it can go sooner.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from fimserve.telemetry import rules
from fimserve.telemetry.event import EVENT_RULES, REQUIRED_FIELDS, TEXT_FIELDS

__all__ = [
    "EVENTS",
    "EVENT_COLUMNS",
    "EVENT_TEXTS",
    "EXPERIMENTS",
    "EXPERIMENT_SECRETS",
    "MAX_TENANT_CHARS",
    "METADATA",
]

MAX_TENANT_CHARS = 128
MAX_STRING_CHARS = 64
"""Longest id, name, kind and hash."""
MAX_INT32 = 2**31 - 1

EVENT_COLUMNS = tuple(name for name in EVENT_RULES if name not in TEXT_FIELDS)
"""Fields of an event that are columns of `events`, by the same name."""
NEVER_NULL = {*REQUIRED_FIELDS, "schema_version"}


def _type_of(rule: rules.Rule) -> TypeEngine[Any]:
    match rule:
        case rules.Flag():
            return Boolean()
        case rules.Number():
            return Double()
        case rules.Whole(max=largest):
            return Integer() if largest <= MAX_INT32 else BigInteger()
        case rules.OneOf(values=values) if isinstance(values[0], int):
            return Integer()
        case rules.Text():
            return Text()
        case _:
            return String(MAX_STRING_CHARS)


def _columns(names: tuple[str, ...]) -> list[Column[Any]]:
    return [
        Column(name, _type_of(EVENT_RULES[name]), nullable=name not in NEVER_NULL) for name in names
    ]


METADATA = MetaData()

EVENTS = Table(
    "events",
    METADATA,
    # Grows with every event and is never used again, for readers that remember where they were.
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("tenant", String(MAX_TENANT_CHARS), nullable=False),
    Column("received_ms", BigInteger(), nullable=False),
    *_columns(EVENT_COLUMNS),
    UniqueConstraint("tenant", "id", name="uq_events_tenant_id"),
    Index("ix_events_received_ms", "received_ms"),
    # Small as long as few events belong to an experiment; reports and guardrails read by it, each
    # suggestion's events side by side.
    Index(
        "ix_events_experiment",
        "experiment",
        "tenant",
        "completion_id",
        "choice_index",
        sqlite_where=text("experiment IS NOT NULL"),
        postgresql_where=text("experiment IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

EVENT_TEXTS = Table(
    "event_texts",
    METADATA,
    Column("tenant", String(MAX_TENANT_CHARS), primary_key=True),
    Column("id", String(MAX_STRING_CHARS), primary_key=True),
    Column("received_ms", BigInteger(), nullable=False),
    *_columns(TEXT_FIELDS),
    Index("ix_event_texts_received_ms", "received_ms"),
)

EXPERIMENTS = Table(
    "experiments",
    METADATA,
    Column("name", String(MAX_STRING_CHARS), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("plan", Text(), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("created_ms", BigInteger(), nullable=False),
    Column("started_ms", BigInteger()),
    Column("stopped_ms", BigInteger()),
    Column("reason", Text()),
    Column("buckets", Text(), nullable=False),
    Column("stopped_arms", Text(), nullable=False),
)

EXPERIMENT_SECRETS = Table(
    "experiment_secrets",
    METADATA,
    Column("name", String(MAX_STRING_CHARS), primary_key=True),
    Column("value", String(64), nullable=False),
)
