"""CAR and CPR by language, kind, lines and day: moments over users, summed in the database."""

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from sqlalchemy import Connection, func, select

from fimserve.telemetry.metrics.definitions import Metric, find_metric
from fimserve.telemetry.metrics.facts import Workspace
from fimserve.telemetry.statistics.moments import Moments

__all__ = ["BROKEN_DOWN", "DIMENSIONS", "Cell", "Dimension", "read_cells"]

Dimension: TypeAlias = Literal["language", "kind", "lines", "day"]
DIMENSIONS: tuple[Dimension, ...] = ("language", "kind", "lines", "day")
BROKEN_DOWN = ("car", "cpr_30")
"""Names of the metrics that are broken down."""
MIN_USERS = 2
"""Users that a cell needs for an error to be known."""


class Cell(NamedTuple):
    """One metric of one arm where a dimension has one value."""

    dimension: Dimension
    key: str
    """Language, kind, `1`, `2-5`, `6-10` or `>10` lines, or day as 2026-01-31."""
    arm: str
    metric: str
    numerator: float
    denominator: float
    moments: Moments | None
    """Over users; None where there are too few."""


def read_cells(
    connection: Connection, workspace: Workspace, arms: tuple[str, ...], dimension: Dimension
) -> list[Cell]:
    """Return all cells of a dimension.

    Args:
        connection: The connection with the tables.
        workspace: The tables, members filled in.
        arms: Names of the arms, by their numbers.
        dimension: The dimension.

    Returns:
        Cells with anything in the denominator, ordered by key, arm and metric.
    """
    found: list[Cell] = []
    for name in BROKEN_DOWN:
        metric = find_metric(name)
        for row in connection.execute(_sum_cells(workspace, dimension, metric)):
            found.append(_make_cell(row, dimension, arms, name))
    return sorted(found, key=lambda cell: (cell.key, cell.arm, cell.metric))


def _sum_cells(workspace: Workspace, dimension: Dimension, metric: Metric) -> Any:
    facts, members = workspace.facts.c, workspace.members.c
    key = facts[dimension]
    per_user = (
        select(
            members.arm,
            key.label("key"),
            func.sum(facts[metric.numerator]).label("n"),
            func.sum(facts[metric.denominator]).label("d"),
        )
        .join_from(workspace.facts, workspace.members, members.user_hash == facts.user_hash)
        .where(key.is_not(None), facts[metric.denominator] > 0)
        .group_by(members.arm, key, members.user_id)
        .subquery()
    )
    u = per_user.c
    return select(
        u.arm,
        u.key,
        func.count().label("num_users"),
        func.sum(u.n),
        func.sum(u.d),
        func.sum(u.n * u.n),
        func.sum(u.n * u.d),
        func.sum(u.d * u.d),
    ).group_by(u.arm, u.key)


def _make_cell(row: Any, dimension: Dimension, arms: tuple[str, ...], metric: str) -> Cell:
    arm, key, num_users = row[0], row[1], int(row[2])
    n, d, nn, nd, dd = (float(value) for value in row[3:])
    moments = None
    if num_users >= MIN_USERS:
        moments = Moments.from_sums(num_users, np.array([n, d]), np.array([[nn, nd], [nd, dd]]))
    name = str(np.datetime64(int(key), "D")) if dimension == "day" else str(key)
    return Cell(dimension, name, arms[arm], metric, n, d, moments)
