"""Answers what the dashboard asks: measures the event store, one question at a time, and remembers.

A measurement reads a window's events, which takes seconds where there are millions. So answers are
kept for a minute, and of several who ask at once the first one's work serves all.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from fimserve.telemetry import EventStore
from fimserve.telemetry.retention import now_unix_ms

__all__ = ["MetricsDesk"]

KEPT_S = 60.0
DAY_MS = 86_400_000
MAX_KEPT = 32
"""Answers that are remembered; the oldest goes."""

Answer = dict[str, Any]


class MetricsDesk:
    """Measures and remembers. Its methods take their time: call them on a thread.

    Args:
        store: Where the events are.
        clock_s: Seconds of a monotonic clock.
    """

    def __init__(self, store: EventStore, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Answer]] = {}

    def list_experiments(self) -> Answer:
        """Return all experiments and their states; DatabaseAway where they cannot be had."""
        from fimserve.telemetry.experiments.registry import ExperimentRegistry

        known = ExperimentRegistry(self._store.database).read().experiments
        # Who knows the salt could tell who is in which arm.
        told = [{k: v for k, v in one.to_json().items() if k != "salt"} for one in known]
        return {"experiments": told}

    def report(self, name: str) -> Answer:
        """Return the report of an experiment, and the kinds at which it is refused most.

        Args:
            name: The experiment.

        Returns:
            The report as JSON; MeasureError where there is none, DatabaseAway likewise.
        """
        return self._remember(f"report {name}", lambda: self._report(name))

    def overview(self, days: int) -> Answer:
        """Return what all users did lately, in experiments or not.

        Args:
            days: How many days, until now.

        Returns:
            Metrics, cells, latencies and kinds; DatabaseAway where they cannot be had.
        """
        return self._remember(f"overview {days}", lambda: self._measure_all(days))

    def _remember(self, question: str, answer: Callable[[], Answer]) -> Answer:
        with self._lock:
            known = self._known.get(question)
            if known is None or self._clock_s() - known[0] > KEPT_S:
                known = self._clock_s(), answer()
                self._known.pop(question, None)
                self._known[question] = known
                if len(self._known) > MAX_KEPT:
                    del self._known[next(iter(self._known))]
            return known[1]

    def _report(self, name: str) -> Answer:
        # Brings scipy and a library of data frames, which serving does not need.
        from fimserve.telemetry.report import rank_kinds
        from fimserve.telemetry.report.experiment_report import (
            find_experiment,
            find_window,
            report_experiment,
        )

        one = find_experiment(self._store.database, name)
        window = find_window(one, now_unix_ms())
        measurement, report = report_experiment(self._store.database, one, window)
        kinds = [rank._asdict() for rank in rank_kinds(measurement.cells)]
        return {**report.to_json(), "kinds": kinds}

    def _measure_all(self, days: int) -> Answer:
        from fimserve.telemetry.metrics import Window, measure
        from fimserve.telemetry.report import build_overview

        now = now_unix_ms()
        window = Window(now - days * DAY_MS, now, now, past_days=0)
        return build_overview(measure(self._store.database, window))
