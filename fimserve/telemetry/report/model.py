"""What a report says: plain values, fit for JSON, for a table and for a page."""

import math
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = [
    "ArmSummary",
    "CellRow",
    "Checks",
    "Interval",
    "LatencyRow",
    "Level",
    "MetricRow",
    "Report",
    "Statement",
    "as_plain",
]

Level: TypeAlias = Literal["stop", "warning", "finding", "note"]
"""stop: nothing may be concluded; warning: read the rest with it in mind; finding: what may be
concluded; note: what a number means."""


class Interval(NamedTuple):
    """Bounds."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """An arm and its users."""

    name: str
    share: float
    """Planned share of the users, among the arms."""
    num_users: int
    num_triggered: int
    """Users with an opportunity at least."""
    num_seen: int
    """Users who saw a suggestion."""
    counted: int
    accepted: int
    errors: int


@dataclass(frozen=True, slots=True)
class Checks:
    """Whether the measurement can be believed."""

    users_p: float
    """p-value of the planned shares, on users."""
    triggered_p: float | None
    """The same on users with an opportunity; None where clients report none."""
    is_mismatch: bool
    num_mixed: int
    num_nameless: int
    past_p: float | None
    """p-value of a difference in CAR before the experiment; None without a past."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of one arm beside the control."""

    metric: str
    title: str
    role: str
    is_share: bool
    better: str
    arm: str
    control: float
    treatment: float
    difference: float
    fixed: Interval
    """95 % interval of the difference, for one look at an end that was fixed before."""
    lift: float | None
    lift_interval: Interval | None
    p: float
    p_adjusted: float
    """By Holm, among the questions of the same role."""
    anytime: Interval | None
    """Interval of the difference that holds at every look; None below 100 users per arm."""
    control_bounds: Interval | None
    """Persistence if all that was not observed had gone, or had stayed."""
    treatment_bounds: Interval | None
    variance_removed: float
    """Share of the variance that users' past explained."""
    detectable_lift: float | None
    """Lift that so many users would show four times out of five, for the metric that decides."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """A quantile of one arm."""

    arm: str
    level: float
    ms: float
    interval: Interval
    difference: float | None
    """To the control; None for the control."""
    difference_interval: Interval | None


@dataclass(frozen=True, slots=True)
class CellRow:
    """A metric where a dimension has one value."""

    dimension: str
    key: str
    arm: str
    metric: str
    value: float
    interval: Interval | None
    denominator: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence for people."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one experiment."""

    experiment: str
    since_ms: int
    until_ms: int
    is_running: bool
    control: str
    arms: tuple[ArmSummary, ...]
    checks: Checks
    statements: tuple[Statement, ...]
    metrics: tuple[MetricRow, ...]
    latencies: tuple[LatencyRow, ...]
    cells: tuple[CellRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON has it: intervals as lists, what is not finite as null."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def as_plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses as objects, what is not finite as null.

    Args:
        value: Any value made of what a report is made of.

    Returns:
        The plain value.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return as_plain(asdict(value))
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
