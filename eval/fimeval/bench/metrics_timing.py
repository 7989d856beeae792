"""How long a report takes on a store of a given size, by whichever database."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from fimeval.bench.event_history import HistorySettings, make_history
from fimserve.telemetry import TelemetrySettings
from fimserve.telemetry.database import Database
from fimserve.telemetry.location import find_location
from fimserve.telemetry.metrics import Window, measure
from fimserve.telemetry.report import ExperimentFacts, build_report

__all__ = ["TimingResult", "TimingSettings", "measure_timings"]

DAY_MS = 86_400_000
EVENTS_PER_COMPLETION = 4.0
"""Of the made-up history, about."""


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """What is stored and how often it is measured."""

    num_events: int = 1_000_000
    """About so many."""
    num_users: int = 5_000
    days: int = 14
    runs: int = 3
    seed: int = 0


class TimingResult(NamedTuple):
    """Seconds of each run, by what was asked."""

    num_events: int
    num_suggestions: int
    experiment_s: list[float]
    """All metrics of one experiment, without users' past."""
    with_past_s: list[float]
    """The second half of the time as the experiment, the first as users' past."""
    everybody_s: list[float]
    """All traffic, out of experiments."""
    report_s: list[float]
    """From the measurement to the finished report."""


def measure_timings(
    url: str, settings: TimingSettings, advance: Callable[[int], None]
) -> TimingResult:
    """Fill a database and measure it.

    Args:
        url: An empty database.
        settings: How much.
        advance: Called with the number of batches, about, after each one that was stored.

    Returns:
        The times.
    """
    per_user = settings.num_events / EVENTS_PER_COMPLETION / settings.num_users
    history = HistorySettings(
        settings.num_users, per_user, settings.days, experiment="demo", seed=settings.seed
    )
    database = Database(find_location(TelemetrySettings(url=url)))
    try:
        database.prepare()
        num_events = _store(database, history, settings, advance)
        return _time(database, history, settings.runs, num_events)
    finally:
        database.drop_connections()


def _store(
    database: Database,
    history: HistorySettings,
    settings: TimingSettings,
    advance: Callable[[int], None],
) -> int:
    num_events = 0
    for batch in make_history(history):
        database.insert([batch])
        num_events += len(batch.events)
        advance(max(1, settings.num_events // len(batch.events)))
    return num_events


def _time(database: Database, history: HistorySettings, runs: int, num_events: int) -> TimingResult:
    start, end = history.start_ms, history.start_ms + history.days * DAY_MS
    middle = start + history.days * DAY_MS // 2
    whole = Window(start, end, end + DAY_MS, "demo", past_days=0)
    windows = {
        "experiment": whole,
        "with_past": replace(whole, since_ms=middle, past_days=history.days // 2),
        "everybody": replace(whole, experiment=None),
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*windows, "report")}
    facts = ExperimentFacts("demo", {"control": 0.5, "treatment": 0.5}, "control", False)
    num_suggestions = 0
    for _ in range(runs):
        for name, window in windows.items():
            began = time.perf_counter()
            measurement = measure(database, window)
            seconds[name].append(time.perf_counter() - began)
            if name == "experiment":
                num_suggestions = len(measurement.latencies.ms)
                began = time.perf_counter()
                build_report(measurement, facts)
                seconds["report"].append(time.perf_counter() - began)
    return TimingResult(
        num_events,
        num_suggestions,
        seconds["experiment"],
        seconds["with_past"],
        seconds["everybody"],
        seconds["report"],
    )
