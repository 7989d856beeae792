"""Metrics from the event store: CAR, CPR and the others, per user, so that arms can be compared.

`measure` reads one experiment, or all traffic, of one stretch of time. Definitions are in
docs/metrics.md. Knows the tables of events and nothing of experiments but their names in events.
Loaded when first used: a service needs the names of the metrics and no scipy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "breakdown": ["Cell"],
    "definitions": ["METRICS", "WINDOWS_S", "Metric"],
    "latency": ["LATENCY_LEVELS", "Latencies"],
    "measurement": ["Measurement", "measure"],
    "user_table": ["UserTable"],
    "window": ["Window"],
}
_MODULES = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
