"""What an experiment is meant to be: arms, whom it concerns, how much of the traffic.

A plan says nothing of what became of it; that is `Experiment`. Read from `fimserve.toml`, from the
command line and from the database by the same rules.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments.arm import Arm
from fimserve.telemetry.experiments.bucket import NUM_BUCKETS
from fimserve.telemetry.experiments.guardrails import Guardrails
from fimserve.telemetry.experiments.naming import check_name
from fimserve.telemetry.metrics.definitions import METRICS

__all__ = ["DEFAULT_LAYER", "Plan", "count_buckets", "parse_plan"]

DEFAULT_LAYER = "default"
MAX_ARMS = 10
METRIC_NAMES = tuple(metric.name for metric in METRICS)
RESERVED = ("holdout",)
"""Names of experiments that events need for something else."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One experiment as it was thought of. Valid once made: raises ExperimentError."""

    name: str
    """Its name in events, the log and reports."""
    arms: tuple[Arm, ...]
    """The first is what the others are compared with. What is left of the users, where shares do
    not add up to 1, gets production and is no part of the experiment."""
    share: float = 1.0
    """Part of the layer's users that the experiment takes: the base flag."""
    layer: str = DEFAULT_LAYER
    """Experiments of one layer exclude each other; those of different layers are independent."""
    tenants: tuple[str, ...] = ()
    """Tenants that it concerns; none named means all."""
    languages: tuple[str, ...] = ()
    """Languages of documents, likewise."""
    editors: tuple[str, ...] = ()
    """Editors, likewise."""
    guardrails: Guardrails = field(default_factory=Guardrails)
    """When an arm is stopped by itself."""
    primary: str | None = None
    """Metric that decides, named before anybody has seen one; None leaves it to the report."""

    def __post_init__(self) -> None:
        check_name("an experiment's name", self.name)
        if self.name in RESERVED:
            raise ExperimentError(f"an experiment cannot be called {self.name!r}")
        check_name("a layer's name", self.layer)
        if not _is_share(self.share) or count_buckets(self.share) < 1:
            raise ExperimentError(
                f"share is {self.share!r}; use a number from {1 / NUM_BUCKETS:g} to 1"
            )
        if not 1 <= len(self.arms) <= MAX_ARMS:
            raise ExperimentError(f"there are {len(self.arms)} arms; use 1 to {MAX_ARMS}")
        if self.primary is not None and self.primary not in METRIC_NAMES:
            raise ExperimentError(
                f"primary is {self.primary!r}; use one of {', '.join(METRIC_NAMES)}"
            )
        self._check_arms()

    @property
    def control(self) -> Arm:
        """What the other arms are compared with."""
        return self.arms[0]

    @property
    def changes(self) -> frozenset[str]:
        """Names of what any arm changes."""
        return frozenset().union(*(arm.changes for arm in self.arms))

    def to_json(self) -> dict[str, object]:
        """Return what `parse_plan` reads."""
        told: dict[str, object] = {
            "name": self.name,
            "share": self.share,
            "layer": self.layer,
            "arms": [arm.to_json() for arm in self.arms],
            "guardrails": self.guardrails.to_json(),
        }
        targets = {name: list(getattr(self, name)) for name in TARGETS if getattr(self, name)}
        return told | targets | ({} if self.primary is None else {"primary": self.primary})

    def _check_arms(self) -> None:
        names = [arm.name for arm in self.arms]
        for name in names:
            if names.count(name) > 1:
                raise ExperimentError(f"two arms are called {name!r}")
        total = sum(arm.share for arm in self.arms)
        if sum(count_buckets(arm.share) for arm in self.arms) > NUM_BUCKETS:
            raise ExperimentError(f"the arms' shares add up to {total:g}; at most 1 is there")
        for arm in self.arms:
            if count_buckets(arm.share) < 1:
                raise ExperimentError(
                    f"arm {arm.name}: share is {arm.share:g}: nobody would get it"
                )


SCALARS = ("name", "share", "layer", "primary")
TARGETS = ("tenants", "languages", "editors")


def count_buckets(share: float) -> int:
    """Return how many of all buckets a share is."""
    return round(share * NUM_BUCKETS)


def parse_plan(record: Mapping[str, object]) -> Plan:
    """Return the plan that a table of a settings file or a JSON object describes.

    Args:
        record: Name, arms and so on.

    Returns:
        The plan.

    Raises:
        ExperimentError: On the first wrong key or value, naming it.
    """
    _check_keys(record, [one.name for one in fields(Plan)], "an experiment")
    for name in ("name", "arms"):
        if name not in record:
            raise ExperimentError(f"an experiment without {name}; it is required")
    arms = record["arms"]
    if not isinstance(arms, list | tuple) or not all(isinstance(one, Mapping) for one in arms):
        raise ExperimentError("arms should be a list of tables")
    guardrails = record.get("guardrails", {})
    if not isinstance(guardrails, Mapping):
        raise ExperimentError("guardrails should be a table")
    _check_keys(guardrails, [one.name for one in fields(Guardrails)], "guardrails")
    values: dict[str, Any] = {key: record[key] for key in SCALARS if key in record}
    values |= {name: _parse_names(name, record.get(name, ())) for name in TARGETS}
    return Plan(
        arms=tuple(_parse_arm(one) for one in arms),
        guardrails=Guardrails(**guardrails),
        **values,
    )


def _parse_arm(record: Mapping[str, object]) -> Arm:
    _check_keys(record, [one.name for one in fields(Arm)], "an arm")
    for name in ("name", "share"):
        if name not in record:
            raise ExperimentError(f"an arm without {name}; it is required")
    return Arm(**record)  # type: ignore[arg-type]


def _parse_names(what: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ExperimentError(f"{what} is {value!r}; use a list of names")
    return tuple(value)


def _check_keys(record: Mapping[str, object], known: Iterable[str], what: str) -> None:
    names = list(known)
    for key in record:
        if key not in names:
            nearest = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(names)}"
            raise ExperimentError(f"{what} has an unknown key {key}; {hint}")


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1  # type: ignore[arg-type,operator]
