"""The report of an experiment that the registry knows: from its name to the finished report."""

from typing import Any

from fimserve.telemetry.database import Database
from fimserve.telemetry.experiments.experiment import Experiment
from fimserve.telemetry.experiments.registry import ExperimentRegistry
from fimserve.telemetry.metrics.measurement import Measurement, measure
from fimserve.telemetry.metrics.window import MeasureError, Window
from fimserve.telemetry.report.build import ExperimentFacts, build_report
from fimserve.telemetry.report.model import Report

__all__ = ["find_experiment", "find_facts", "find_window", "report_experiment"]


def find_experiment(database: Database, name: str) -> Experiment:
    """Return an experiment by its name.

    Args:
        database: Where it is.
        name: Its name.

    Returns:
        The experiment.

    Raises:
        MeasureError: If there is none, or it has not begun.
    """
    known = ExperimentRegistry(database).read().experiments
    for one in known:
        if one.name == name:
            if one.started_ms is None:
                raise MeasureError(f"{name} is a draft: nobody has been in it yet")
            return one
    names = ", ".join(one.name for one in known) or "none"
    raise MeasureError(f"there is no experiment {name!r}; there are: {names}")


def find_facts(one: Experiment, primary: str | None = None, **more: object) -> ExperimentFacts:
    """Return what a report has to know of an experiment.

    Args:
        one: The experiment.
        primary: Metric that decides; None takes the one that its plan names.
        **more: Further fields.

    Returns:
        The facts.
    """
    if (named := primary or one.plan.primary) is not None:
        more["primary"] = named
    return ExperimentFacts(
        name=one.name,
        shares={arm.name: arm.share for arm in one.plan.arms},
        control=one.plan.control.name,
        is_running=one.state == "running",
        **more,  # type: ignore[arg-type]
    )


def find_window(
    one: Experiment,
    now_ms: int,
    since_ms: int | None = None,
    until_ms: int | None = None,
    past_days: int = 14,
) -> Window:
    """Return the time of an experiment.

    Args:
        one: The experiment, begun.
        now_ms: The time of asking.
        since_ms: Another beginning: a first day may be left out.
        until_ms: Another end.
        past_days: Days before it that users' past is taken from.

    Returns:
        The window.
    """
    begin = one.started_ms if since_ms is None else since_ms
    end = (one.stopped_ms or now_ms) if until_ms is None else until_ms
    return Window(begin or 0, end, now_ms, one.name, past_days)


def report_experiment(
    database: Database, one: Experiment, window: Window, **more: Any
) -> tuple[Measurement, Report]:
    """Measure an experiment and build its report.

    Args:
        database: Where the events are.
        one: The experiment.
        window: Its time.
        **more: Further fields of `ExperimentFacts`.

    Returns:
        Measurement and report.
    """
    measurement = measure(database, window)
    return measurement, build_report(measurement, find_facts(one, **more))
