"""Simulated users of a real service: they differ, work in sessions, and react to what they get.

Drives `POST /v1/completions` and `POST /v1/events` as an editor would, with effects of arms that
are known because they were planted: what a report says of an experiment can be checked against
them. Knows nothing of the service but its HTTP.
"""

from fimeval.simulation.driver import SimulationResult, simulate
from fimeval.simulation.effect import NO_EFFECT, Effect, parse_effect
from fimeval.simulation.settings import SimulationSettings

__all__ = [
    "NO_EFFECT",
    "Effect",
    "SimulationResult",
    "SimulationSettings",
    "parse_effect",
    "simulate",
]
