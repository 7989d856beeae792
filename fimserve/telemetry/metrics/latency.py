"""How long users waited until a suggestion was seen, per arm, with intervals that respect users."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, case, select

from fimserve.telemetry.metrics.facts import Workspace
from fimserve.telemetry.statistics.errors import TooFewUsers
from fimserve.telemetry.statistics.moments import FloatArray
from fimserve.telemetry.statistics.quantile import QuantileEstimate, estimate_quantile

__all__ = ["LATENCY_LEVELS", "Latencies", "read_latencies"]

LATENCY_LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)


class Latencies(NamedTuple):
    """Milliseconds from trigger to sight, one for each suggestion that came from the server.

    Shapes:
        arm, user: [suggestions]  int64
        ms:        [suggestions]  float64
    """

    arms: tuple[str, ...]
    arm: NDArray[np.int64]
    user: NDArray[np.int64]
    ms: FloatArray
    num_cached: int
    """Suggestions that the client had already, which are left out."""

    def estimate(self, arm: str, level: float) -> QuantileEstimate | None:
        """Return a quantile of an arm.

        Args:
            arm: The arm.
            level: Which quantile.

        Returns:
            The estimate; None where fewer than two users have any.
        """
        if arm not in self.arms:
            return None
        chosen = self.arm == self.arms.index(arm)
        try:
            return estimate_quantile(self.ms[chosen], self.user[chosen], level)
        except TooFewUsers:
            return None


def read_latencies(
    connection: Connection, workspace: Workspace, arms: tuple[str, ...]
) -> Latencies:
    """Return the latencies of all suggestions.

    Args:
        connection: The connection with the tables.
        workspace: The tables, members filled in.
        arms: Names of the arms, by their numbers.

    Returns:
        The latencies.
    """
    facts, members = workspace.facts.c, workspace.members.c
    is_cached = case((facts.source.in_(("cache", "typed_through", "speculative")), 1), else_=0)
    query = (
        select(members.arm, members.user_id, facts.visible_ms, is_cached)
        .join_from(workspace.facts, workspace.members, members.user_hash == facts.user_hash)
        .where(facts.visible_ms.is_not(None))
    )
    # A row of the database library is slow to be taken for a row of numbers.
    rows = np.array(list(map(tuple, connection.execute(query))), dtype=np.float64).reshape(-1, 4)
    fresh = rows[rows[:, 3] == 0]
    return Latencies(
        arms,
        fresh[:, 0].astype(np.int64),
        fresh[:, 1].astype(np.int64),
        fresh[:, 2].copy(),
        len(rows) - len(fresh),
    )
