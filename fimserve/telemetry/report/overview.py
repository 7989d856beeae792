"""What all users did, in experiments or not: the same shapes as a report, with nothing compared."""

from typing import Any

from fimserve.telemetry.metrics.definitions import METRICS
from fimserve.telemetry.metrics.latency import LATENCY_LEVELS
from fimserve.telemetry.metrics.measurement import Measurement
from fimserve.telemetry.metrics.window import ALL
from fimserve.telemetry.report.build import to_row
from fimserve.telemetry.report.kinds import rank_kinds
from fimserve.telemetry.report.model import Interval, LatencyRow, as_plain
from fimserve.telemetry.statistics.errors import TooFewUsers
from fimserve.telemetry.statistics.ratio import estimate_ratio

__all__ = ["build_overview"]


def build_overview(measurement: Measurement) -> dict[str, Any]:
    """Return the overview as JSON has it.

    Args:
        measurement: A measurement out of experiments.

    Returns:
        Users, metrics with intervals, cells, latencies, kinds.
    """
    window = measurement.window
    latencies = [
        LatencyRow(ALL, level, found.value, Interval(found.lower, found.upper), None, None)
        for level in LATENCY_LEVELS
        if (found := measurement.latencies.estimate(ALL, level)) is not None
    ]
    told: dict[str, Any] = as_plain(
        {
            "since_ms": window.since_ms,
            "until_ms": window.until_ms,
            "num_users": measurement.users.count(ALL),
            "num_nameless": measurement.num_nameless,
            "metrics": _estimate_all(measurement),
            "latencies": latencies,
            "cells": [to_row(cell) for cell in measurement.cells],
            "kinds": [rank._asdict() for rank in rank_kinds(measurement.cells)],
        }
    )
    return told


def _estimate_all(measurement: Measurement) -> list[dict[str, Any]]:
    found = []
    for metric in METRICS:
        try:
            estimate = estimate_ratio(measurement.users.sums(ALL, metric, with_past=False))
        except TooFewUsers:
            continue
        found.append(
            {
                "metric": metric.name,
                "title": metric.title,
                "is_share": metric.is_share,
                "value": estimate.value,
                "interval": estimate.interval(),
            }
        )
    return found
