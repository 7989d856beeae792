"""Metrics from the event store: CAR, CPR and the others, per user, so that arms can be compared.

`measure` reads one experiment, or all traffic, of one stretch of time. Definitions are in
docs/metrics.md. Knows the tables of events and nothing of experiments but their names in events.
"""

from fimserve.telemetry.metrics.breakdown import Cell
from fimserve.telemetry.metrics.definitions import METRICS, WINDOWS_S, Metric
from fimserve.telemetry.metrics.latency import LATENCY_LEVELS, Latencies
from fimserve.telemetry.metrics.measurement import Measurement, measure
from fimserve.telemetry.metrics.user_table import UserTable
from fimserve.telemetry.metrics.window import Window

__all__ = [
    "LATENCY_LEVELS",
    "METRICS",
    "WINDOWS_S",
    "Cell",
    "Latencies",
    "Measurement",
    "Metric",
    "UserTable",
    "Window",
    "measure",
]
