"""One measurement: who took part, what each did, breakdowns and latencies.

All is read in one transaction, so that its parts belong together while events keep coming.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select, union_all

from fimserve.telemetry.database import Database
from fimserve.telemetry.metrics.breakdown import DIMENSIONS, Cell, read_cells
from fimserve.telemetry.metrics.definitions import WINDOWS_S
from fimserve.telemetry.metrics.facts import (
    RETAINED_S,
    Workspace,
    fill_facts,
    fill_requests,
    make_workspace,
)
from fimserve.telemetry.metrics.latency import Latencies, read_latencies
from fimserve.telemetry.metrics.user_table import UserTable
from fimserve.telemetry.metrics.window import Window
from fimserve.telemetry.statistics.moments import FloatArray
from fimserve.telemetry.tables import EVENTS

__all__ = ["Measurement", "measure"]

FACT_SUMS = (
    "counted", "accepted", "taken", "shown_chars", "taken_chars", "typed_chars",
    *(f"{what}_{w}" for w in WINDOWS_S for what in ("observed", "persisted", "missing")),
    *(f"retained_{w}" for w in RETAINED_S),
)  # fmt: skip
REQUEST_SUMS = ("requested", "errors", "typed_chars")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a window holds."""

    window: Window
    users: UserTable
    cells: tuple[Cell, ...]
    latencies: Latencies
    num_mixed: int
    """Users with events of several arms, who are left out."""
    num_nameless: int
    """Suggestions of nobody in particular, which are left out."""


def measure(database: Database, window: Window) -> Measurement:
    """Measure one window.

    Args:
        database: Where the events are; DatabaseAway where they cannot be had.
        window: What to measure.

    Returns:
        The measurement; without users where there are no events.
    """
    with database.read() as connection:
        labels = _find_labels(connection, window)
        workspace = make_workspace(connection, "measured")
        fill_facts(connection, workspace, window, labels)
        fill_requests(connection, workspace, window, labels)
        arms, num_mixed, num_nameless = _choose_members(connection, workspace, window)
        users = _read_users(connection, workspace, arms, _read_past(connection, workspace, window))
        cells = [
            cell
            for dimension in DIMENSIONS
            for cell in read_cells(connection, workspace, arms, dimension)
        ]
        latencies = read_latencies(connection, workspace, arms)
    return Measurement(window, users, tuple(cells), latencies, num_mixed, num_nameless)


def _find_labels(connection: Connection, window: Window) -> list[str] | None:
    if window.experiment is None:
        return None
    found = connection.scalars(
        select(EVENTS.c.experiment).where(EVENTS.c.experiment.is_not(None)).distinct()
    )
    return sorted(label for label in found if window.takes_label(label))


def _choose_members(
    connection: Connection, workspace: Workspace, window: Window
) -> tuple[tuple[str, ...], int, int]:
    """Fill in who belongs to which arm; return the arms and how much had to be left out."""
    both = union_all(
        *(
            select(
                table.c.user_hash, table.c.label, table.c.assigned, func.count().label("num")
            ).group_by(table.c.user_hash, table.c.label, table.c.assigned)
            for table in (workspace.facts, workspace.requests)
        )
    )
    arms_of: dict[str, set[str]] = {}
    num_nameless = 0
    for user_hash, label, assigned, num in connection.execute(both):
        if user_hash is None:
            num_nameless += num
            continue
        arms_of.setdefault(user_hash, set()).add(window.find_arm(label, assigned))
    single = {user: next(iter(arms)) for user, arms in arms_of.items() if len(arms) == 1}
    names = tuple(sorted({arm for arm in single.values() if arm}))
    rows = [
        {"user_id": number, "user_hash": user, "arm": names.index(arm)}
        for number, (user, arm) in enumerate(
            sorted((user, arm) for user, arm in single.items() if arm)
        )
    ]
    if rows:
        connection.execute(workspace.members.insert(), rows)
    num_mixed = sum(len(arms) > 1 for arms in arms_of.values())
    return names, num_mixed, num_nameless


def _read_past(
    connection: Connection, workspace: Workspace, window: Window
) -> dict[int, dict[str, float]]:
    if not window.past_days:
        return {}
    past = make_workspace(connection, "past")
    fill_facts(connection, past, window.past, None, workspace.members)
    fill_requests(connection, past, window.past, None, workspace.members)
    return _sum_per_user(connection, past, workspace)


def _read_users(
    connection: Connection,
    workspace: Workspace,
    arms: tuple[str, ...],
    past: dict[int, dict[str, float]],
) -> UserTable:
    sums = _sum_per_user(connection, workspace, workspace)
    members = workspace.members.c
    pairs = connection.execute(select(members.user_id, members.arm))
    arm_of = {row.user_id: row.arm for row in pairs}
    order = sorted(sums, key=lambda user: (sums[user]["first_ms"], user))
    columns = _to_columns([sums[user] for user in order])
    past_columns = _to_columns([past.get(user, {}) for user in order]) if past else {}
    return UserTable(
        arms=arms,
        arm=np.array([arm_of[user] for user in order], dtype=np.int64),
        first_ms=np.array([sums[user]["first_ms"] for user in order], dtype=np.int64),
        columns=columns,
        past=past_columns,
    )


def _sum_per_user(
    connection: Connection, workspace: Workspace, members_of: Workspace
) -> dict[int, dict[str, float]]:
    """Return each member's sums over suggestions and requests, and the days with either."""
    members = members_of.members
    found: dict[int, dict[str, float]] = {}
    days: dict[int, set[int]] = {}
    for table, first, names in (
        (workspace.facts, "moment_ms", FACT_SUMS),
        (workspace.requests, "first_ms", REQUEST_SUMS),
    ):
        c = table.c
        is_member = members.c.user_hash == c.user_hash
        joined = table.join(members, is_member)
        sums = [func.sum(c[name]).label(name) for name in names]
        query: Any = (
            select(members.c.user_id, func.min(c[first]), *sums)
            .select_from(joined)
            .group_by(members.c.user_id)
        )
        for user, first_ms, *values in connection.execute(query):
            row = found.setdefault(user, {"first_ms": float(first_ms)})
            row["first_ms"] = min(row["first_ms"], float(first_ms))
            for name, value in zip(names, values, strict=True):
                if value is not None:
                    row[name] = row.get(name, 0.0) + float(value)
        for user, day in connection.execute(
            select(members.c.user_id, c.day).select_from(joined).distinct()
        ):
            days.setdefault(user, set()).add(day)
    for user, row in found.items():
        row["active_days"] = float(len(days[user]))
    return found


def _to_columns(rows: list[dict[str, float]]) -> dict[str, FloatArray]:
    names = dict.fromkeys((*FACT_SUMS, *REQUEST_SUMS, "active_days"))
    columns = {
        name: np.array([row.get(name, 0.0) for row in rows], dtype=np.float64) for name in names
    }
    for w in WINDOWS_S:
        columns[f"due_{w}"] = columns[f"observed_{w}"] + columns[f"missing_{w}"]
    # Who never reports what he types has no such ratio.
    reports = np.array(["typed_chars" in row for row in rows], dtype=np.float64)
    columns["rocc_taken"] = columns["taken_chars"] * reports
    columns["rocc_added"] = (columns["taken_chars"] + columns["typed_chars"]) * reports
    return columns
