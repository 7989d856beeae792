"""A database with a finished experiment, a running one and a draft, for pages and reports."""

import time

from fimeval.bench.event_history import ArmEffect, HistorySettings, make_history
from fimserve.telemetry import TelemetrySettings
from fimserve.telemetry.database import Database
from fimserve.telemetry.experiments.plan import parse_plan
from fimserve.telemetry.experiments.registry import ExperimentRegistry
from fimserve.telemetry.location import find_location

__all__ = ["DAYS", "plant_experiments"]

DAYS = 15
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def plant_experiments(
    url: str, num_users: int = 280, per_user: float = 8, is_lossy: bool = False
) -> None:
    """Store an experiment `demo`, stopped after 15 days, and a draft.

    Args:
        url: An empty database.
        num_users: Users of both arms.
        per_user: Suggestions of each, on average.
        is_lossy: Whether the control should have had more users than it has.
    """
    database = Database(find_location(TelemetrySettings(url=url)))
    database.prepare()
    start = time.time_ns() // 1_000_000 - DAYS * DAY_MS - HOUR_MS
    history = HistorySettings(
        num_users=num_users,
        completions_per_user=per_user,
        days=DAYS,
        start_ms=start,
        arms={"control": ArmEffect(0.5), "ours": ArmEffect(0.5, acceptance=1.5, latency_ms=150)},
    )
    for batch in make_history(history):
        database.insert([batch])
    shares = (0.8, 0.2) if is_lossy else (0.5, 0.5)
    arms = [
        {"name": name, "share": share}
        for name, share in zip(("control", "ours"), shares, strict=True)
    ]
    registry = ExperimentRegistry(database, lambda: start)
    registry.create(parse_plan({"name": "demo", "arms": arms}))
    registry.start("demo")
    later = ExperimentRegistry(database, lambda: start + DAYS * DAY_MS)
    later.stop("demo", "it is over")
    later.create(parse_plan({"name": "draft", "arms": arms}))
    database.drop_connections()
