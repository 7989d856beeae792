"""Experiments: who is served how, decided by a keyed hash and kept beside the events.

Names are loaded when they are first used: settings and plans need no database library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fimserve.telemetry.experiments.arm import BASE, Arm
    from fimserve.telemetry.experiments.catalogue import HOLDOUT, Assignment, Catalogue
    from fimserve.telemetry.experiments.experiment import Experiment
    from fimserve.telemetry.experiments.guardrails import Guardrails
    from fimserve.telemetry.experiments.naming import JOINT
    from fimserve.telemetry.experiments.plan import Plan, parse_plan
    from fimserve.telemetry.experiments.registry import ExperimentRegistry, open_registry
    from fimserve.telemetry.experiments.settings import ExperimentSettings
    from fimserve.telemetry.experiments.watch import ExperimentWatch, open_experiments

__all__ = [
    "BASE",
    "HOLDOUT",
    "JOINT",
    "Arm",
    "Assignment",
    "Catalogue",
    "Experiment",
    "ExperimentRegistry",
    "ExperimentSettings",
    "ExperimentWatch",
    "Guardrails",
    "Plan",
    "open_experiments",
    "open_registry",
    "parse_plan",
]

_HOMES = {
    "arm": ["BASE", "Arm"],
    "catalogue": ["HOLDOUT", "Assignment", "Catalogue"],
    "experiment": ["Experiment"],
    "guardrails": ["Guardrails"],
    "naming": ["JOINT"],
    "plan": ["Plan", "parse_plan"],
    "registry": ["ExperimentRegistry", "open_registry"],
    "settings": ["ExperimentSettings"],
    "watch": ["ExperimentWatch", "open_experiments"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
