"""From a measurement to a report: each arm beside the control, metric by metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fimserve.telemetry.metrics.breakdown import Cell
from fimserve.telemetry.metrics.definitions import METRICS, Metric, find_metric
from fimserve.telemetry.metrics.latency import LATENCY_LEVELS
from fimserve.telemetry.metrics.measurement import Measurement
from fimserve.telemetry.metrics.user_table import UserTable
from fimserve.telemetry.metrics.window import MeasureError
from fimserve.telemetry.report.model import (
    ArmSummary,
    CellRow,
    Checks,
    Interval,
    LatencyRow,
    MetricRow,
    Report,
)
from fimserve.telemetry.report.words import state
from fimserve.telemetry.statistics.comparison import Comparison, compare_ratios
from fimserve.telemetry.statistics.cuped import adjust_by_past
from fimserve.telemetry.statistics.errors import StatisticsError, TooFewUsers
from fimserve.telemetry.statistics.multiplicity import adjust_holm
from fimserve.telemetry.statistics.power import find_detectable_lift
from fimserve.telemetry.statistics.quantile import compare_quantiles
from fimserve.telemetry.statistics.ratio import UserSums, estimate_ratio
from fimserve.telemetry.statistics.sample_ratio import check_sample_ratio
from fimserve.telemetry.statistics.sequence import TIGHTEST_AT_USERS, follow_difference

__all__ = ["ExperimentFacts", "build_report", "to_row"]

CPR = "cpr_"
PRIMARY = "retained_chars"
"""Metric that decides where none was named."""


@dataclass(frozen=True, slots=True)
class ExperimentFacts:
    """What has to be known of an experiment besides its events."""

    name: str
    shares: Mapping[str, float]
    """Planned share of each arm; only their proportion matters."""
    control: str
    is_running: bool
    """Whether the end is still open: then whoever looks is peeking."""
    primary: str = PRIMARY
    """Metric that decides, named before the experiment began."""
    tightest_at: int = TIGHTEST_AT_USERS
    """Users at which the anytime interval is tightest, named before."""

    def __post_init__(self) -> None:
        if self.control not in self.shares:
            arms = ", ".join(self.shares)
            raise MeasureError(f"control is {self.control!r}; the arms are {arms}")
        names = [metric.name for metric in METRICS]
        if self.primary not in names:
            raise MeasureError(f"primary is {self.primary!r}; use one of {', '.join(names)}")


def build_report(measurement: Measurement, facts: ExperimentFacts) -> Report:
    """Return the report.

    Args:
        measurement: What the events of the experiment say.
        facts: What is known of it besides.

    Returns:
        The report.
    """
    users = measurement.users
    arms = tuple(_summarise(users, name, facts) for name in facts.shares)
    rows = [
        row
        for arm in facts.shares
        if arm != facts.control
        for metric in _with_primary(facts.primary)
        if (row := _compare(users, metric, arm, facts)) is not None
    ]
    report = Report(
        experiment=facts.name,
        since_ms=measurement.window.since_ms,
        until_ms=min(measurement.window.until_ms, measurement.window.as_of_ms),
        is_running=facts.is_running,
        control=facts.control,
        arms=arms,
        checks=_check(measurement, facts, arms),
        statements=(),
        metrics=tuple(_adjust(rows)),
        latencies=tuple(_compare_latencies(measurement, facts)),
        cells=tuple(to_row(cell) for cell in measurement.cells if cell.arm in facts.shares),
    )
    return replace(report, statements=tuple(state(report)))


def _with_primary(primary: str) -> list[Metric]:
    """Return the metrics with the one that decides first; what would decide otherwise is second."""
    chosen = find_metric(primary)._replace(role="primary")
    others = [
        metric._replace(role="secondary") if metric.role == "primary" else metric
        for metric in METRICS
        if metric.name != primary
    ]
    return [chosen, *others]


def _summarise(users: UserTable, name: str, facts: ExperimentFacts) -> ArmSummary:
    return ArmSummary(
        name=name,
        share=facts.shares[name] / sum(facts.shares.values()),
        num_users=users.count(name),
        num_triggered=users.count(name, "requested"),
        num_seen=users.count(name, "counted"),
        counted=int(users.total(name, "counted")),
        accepted=int(users.total(name, "accepted")),
        errors=int(users.total(name, "errors")),
    )


def _check(measurement: Measurement, facts: ExperimentFacts, arms: Sequence[ArmSummary]) -> Checks:
    by_users = check_sample_ratio({arm.name: arm.num_users for arm in arms}, facts.shares)
    triggered = {arm.name: arm.num_triggered for arm in arms}
    by_triggered = check_sample_ratio(triggered, facts.shares) if sum(triggered.values()) else None
    return Checks(
        users_p=by_users.p_value,
        triggered_p=None if by_triggered is None else by_triggered.p_value,
        is_mismatch=by_users.is_mismatch or (by_triggered is not None and by_triggered.is_mismatch),
        num_mixed=measurement.num_mixed,
        num_nameless=measurement.num_nameless,
        past_p=_compare_past(measurement.users, facts),
    )


def _compare_past(users: UserTable, facts: ExperimentFacts) -> float | None:
    """Return the smallest p-value, corrected, of a difference that was there before."""
    if not users.past:
        return None
    before = replace(users, columns=users.past, past={})
    found = []
    for arm in facts.shares:
        if arm != facts.control:
            sums = [before.sums(name, find_metric("car")) for name in (facts.control, arm)]
            comparison = _try_to_compare(*sums)
            if comparison is not None:
                found.append(comparison.p_value)
    return min(adjust_holm(found)) if found else None


def _compare(
    users: UserTable, metric: Metric, arm: str, facts: ExperimentFacts
) -> MetricRow | None:
    control, treatment = users.sums(facts.control, metric), users.sums(arm, metric)
    found = _try_to_compare(control, treatment)
    if found is None:
        return None
    has_lift = found.lift_lower is not None and found.lift_upper is not None
    return MetricRow(
        metric=metric.name,
        title=metric.title,
        role=metric.role,
        is_share=metric.is_share,
        better=metric.better,
        arm=arm,
        control=found.control,
        treatment=found.treatment,
        difference=found.difference,
        fixed=Interval(found.lower, found.upper),
        lift=found.lift,
        lift_interval=Interval(found.lift_lower or 0.0, found.lift_upper or 0.0)
        if has_lift
        else None,
        p=found.p_value,
        p_adjusted=found.p_value,
        anytime=_follow(control, treatment, facts),
        control_bounds=_bound(users, metric, facts.control),
        treatment_bounds=_bound(users, metric, arm),
        variance_removed=found.variance_removed,
        # A search, and one sentence needs it.
        detectable_lift=_find_detectable(control, found) if metric.role == "primary" else None,
    )


def _try_to_compare(control: UserSums, treatment: UserSums) -> Comparison | None:
    try:
        return compare_ratios(control, treatment)
    except TooFewUsers:
        return None


def _follow(control: UserSums, treatment: UserSums, facts: ExperimentFacts) -> Interval | None:
    try:
        if control.has_past and treatment.has_past:
            both = adjust_by_past(control.moments(True), treatment.moments(True))
        else:
            both = estimate_ratio(control), estimate_ratio(treatment)
        found = follow_difference(*both, tightest_at=facts.tightest_at)
    except TooFewUsers:
        return None
    return Interval(found.lower, found.upper)


def _bound(users: UserTable, metric: Metric, arm: str) -> Interval | None:
    """Return where persistence would be had everything been observed, at the worst and the best."""
    if not metric.name.startswith(CPR):
        return None
    w = metric.name.removeprefix(CPR)
    due = users.total(arm, f"due_{w}")
    if due == 0:
        return None
    persisted, missing = users.total(arm, f"persisted_{w}"), users.total(arm, f"missing_{w}")
    return Interval(persisted / due, (persisted + missing) / due)


def _find_detectable(control: UserSums, found: Comparison) -> float | None:
    try:
        moments = control.moments(control.has_past)
        return find_detectable_lift(moments, found.num_control + found.num_treatment)
    except StatisticsError:
        return None


def _adjust(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Correct p-values for the number of questions of the same role."""
    adjusted: dict[int, float] = {}
    for role in dict.fromkeys(row.role for row in rows):
        numbers = [number for number, row in enumerate(rows) if row.role == role]
        corrected = adjust_holm([rows[number].p for number in numbers])
        adjusted |= dict(zip(numbers, corrected, strict=True))
    return [replace(row, p_adjusted=adjusted[number]) for number, row in enumerate(rows)]


def _compare_latencies(measurement: Measurement, facts: ExperimentFacts) -> list[LatencyRow]:
    rows = []
    for level in LATENCY_LEVELS:
        control = measurement.latencies.estimate(facts.control, level)
        for arm in facts.shares:
            found = measurement.latencies.estimate(arm, level)
            if found is None:
                continue
            difference = (
                None
                if control is None or arm == facts.control
                else compare_quantiles(control, found)
            )
            rows.append(
                LatencyRow(
                    arm=arm,
                    level=level,
                    ms=found.value,
                    interval=Interval(found.lower, found.upper),
                    difference=None if difference is None else difference.difference,
                    difference_interval=None
                    if difference is None
                    else Interval(difference.lower, difference.upper),
                )
            )
    return rows


def to_row(cell: Cell) -> CellRow:
    """Return a cell with its ratio and interval.

    Args:
        cell: The cell, something in its denominator.

    Returns:
        The row.
    """
    interval = None
    if cell.moments is not None:
        interval = Interval(*estimate_ratio(cell.moments).share_interval())
    return CellRow(
        dimension=cell.dimension,
        key=cell.key,
        arm=cell.arm,
        metric=cell.metric,
        value=cell.numerator / cell.denominator,
        interval=interval,
        denominator=int(cell.denominator),
    )
