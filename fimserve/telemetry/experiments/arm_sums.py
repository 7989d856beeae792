"""What the users of each arm did, summed by the database: as much as guardrails need.

By the arm that was assigned, so that an arm that often falls back is not excused by it.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from fimserve.telemetry.database import Database
from fimserve.telemetry.experiments.experiment import Experiment
from fimserve.telemetry.experiments.naming import JOINT
from fimserve.telemetry.tables import EVENTS

__all__ = ["ArmSums", "read_arm_sums"]

READ_AFTER_MS = 750
"""A suggestion counts once it was visible this long, or was accepted."""

_WHO = (EVENTS.c.experiment, EVENTS.c.assigned_arm, EVENTS.c.tenant, EVENTS.c.user_hash)


@dataclass(slots=True)
class ArmSums:
    """Numbers per user of one arm, by who he is: his tenant and hash."""

    requests: dict[tuple[str, str], int] = field(default_factory=dict)
    errors: dict[tuple[str, str], int] = field(default_factory=dict)
    counted: dict[tuple[str, str], int] = field(default_factory=dict)
    """Suggestions that were read or accepted."""
    accepted: dict[tuple[str, str], int] = field(default_factory=dict)
    latencies_ms: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """Until a suggestion of the server was visible, or had come."""


def read_arm_sums(database: Database, one: Experiment) -> dict[str, ArmSums]:
    """Return what the users of an experiment did.

    Args:
        database: Where events are.
        one: The experiment.

    Returns:
        Sums by the arm's name; an arm that nobody came to is missing.
    """
    sums: dict[str, ArmSums] = defaultdict(ArmSums)
    with database.read() as connection:
        names = _find_names(connection, one.name)
        if not names:
            return {}
        for row in connection.execute(_select_requests(names)):
            arm, user = _place(row, one.name, sums)
            arm.requests[user] = arm.requests.get(user, 0) + row.num_requests
            arm.errors[user] = arm.errors.get(user, 0) + row.num_errors
        for row in connection.execute(_select_suggestions(names)):
            arm, user = _place(row, one.name, sums)
            arm.counted[user] = arm.counted.get(user, 0) + row.num_counted
            arm.accepted[user] = arm.accepted.get(user, 0) + row.num_accepted
        for row in connection.execute(_select_latencies(names)):
            arm, user = _place(row, one.name, sums)
            arm.latencies_ms.setdefault(user, []).append(row.latency_ms)
    return dict(sums)


def _find_names(connection: Connection, name: str) -> list[str]:
    """Return what events call an experiment: its name, also joined with those of other layers."""
    query = select(EVENTS.c.experiment).distinct().where(EVENTS.c.experiment.is_not(None))
    return [found for found in connection.scalars(query) if name in found.split(JOINT)]


def _place(row: Any, name: str, sums: dict[str, ArmSums]) -> tuple[ArmSums, tuple[str, str]]:
    arms = row.assigned_arm.split(JOINT)
    number = row.experiment.split(JOINT).index(name)
    # A client's own word may be shorter than it should.
    arm = arms[number] if number < len(arms) else arms[-1]
    return sums[arm], (row.tenant, row.user_hash)


def _is_of(names: list[str]) -> ColumnElement[bool]:
    columns = EVENTS.c
    return (
        columns.experiment.in_(names)
        & columns.assigned_arm.is_not(None)
        & columns.user_hash.is_not(None)
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _select_requests(names: list[str]) -> Select[Any]:
    kind = EVENTS.c.type
    return (
        select(
            *_WHO,
            _count(kind == "requested").label("num_requests"),
            _count(kind == "error").label("num_errors"),
        )
        .where(_is_of(names), kind.in_(["requested", "error"]))
        .group_by(*_WHO)
    )


def _select_suggestions(names: list[str]) -> Select[Any]:
    columns = EVENTS.c
    is_counted = (columns.shown_ms >= READ_AFTER_MS) | columns.type.in_(
        ["accepted", "partially_accepted"]
    )
    each = (
        select(
            *_WHO,
            func.max(case((is_counted, 1), else_=0)).label("is_counted"),
            func.max(case((columns.type == "accepted", 1), else_=0)).label("is_accepted"),
        )
        .where(_is_of(names), columns.completion_id.is_not(None))
        # Another source of suggestions in the editor takes part of the acceptances.
        .where(columns.other_provider.is_not(True))
        .group_by(*_WHO, columns.completion_id)
        .subquery()
    )
    who = [each.c[column.name] for column in _WHO]
    return select(
        *who,
        func.sum(each.c.is_counted).label("num_counted"),
        func.sum(each.c.is_accepted).label("num_accepted"),
    ).group_by(*who)


def _select_latencies(names: list[str]) -> Select[Any]:
    columns = EVENTS.c
    latency = func.coalesce(columns.visible_ms, columns.e2e_ms)
    return (
        select(*_WHO, func.min(latency).label("latency_ms"))
        .where(_is_of(names), columns.type == "shown", latency.is_not(None))
        # What the client had already waits for nobody.
        .where(columns.source.is_(None) | (columns.source == "network"))
        .group_by(*_WHO, columns.completion_id)
    )
