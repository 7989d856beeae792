"""Experiments for tests: short to write, started in a database of their own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fimserve.telemetry import TelemetrySettings
from fimserve.telemetry.database import Database
from fimserve.telemetry.experiments import (
    Arm,
    Experiment,
    ExperimentRegistry,
    ExperimentSettings,
    ExperimentWatch,
    Plan,
    open_experiments,
)
from fimserve.telemetry.location import find_location

HALVES = (Arm("control", 0.5), Arm("ours", 0.5, adapter="ours"))
REFRESH_S = 0.1
WAIT_S = 10.0


def make_plan(name: str = "test", arms: tuple[Arm, ...] = HALVES, **values: Any) -> Plan:
    """Return a plan of two halves, unless values say otherwise.

    Args:
        name: Its name.
        arms: Its arms.
        **values: Further fields.
    """
    return Plan(name=name, arms=arms, **values)


def make_running(plan: Plan, salt: str = "salt", buckets: int = 10_000) -> Experiment:
    """Return an experiment that runs, of no database.

    Args:
        plan: Its plan.
        salt: Key of its split.
        buckets: Buckets of its layer, the lowest.
    """
    return Experiment(plan, salt, created_ms=0).start([(0, buckets)], now_ms=1)  # type: ignore[list-item]


@contextmanager
def open_registry_of(url: str) -> Iterator[ExperimentRegistry]:
    """Have a registry beside whatever else uses a database.

    Args:
        url: The database.

    Yields:
        The registry.
    """
    database = Database(find_location(TelemetrySettings(url=url)))
    database.prepare()
    try:
        yield ExperimentRegistry(database)
    finally:
        database.drop_connections()


def open_watch(url: str, spool: str = "", **values: Any) -> ExperimentWatch:
    """Return a watch that looks ten times a second and at no guardrails.

    Args:
        url: The database.
        spool: Beside which the last known state is kept.
        **values: Settings.
    """
    settings = ExperimentSettings(**({"refresh_s": REFRESH_S, "guard_s": 0.0} | values))
    watch = open_experiments(TelemetrySettings(url=url, spool=spool), settings)
    assert watch is not None
    return watch


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something holds; fails where it never does.

    Args:
        is_so: Says whether it does.
    """
    due_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < due_s, "it did not come about"
        time.sleep(0.02)
