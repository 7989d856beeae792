"""`fimserve ab report`: what an experiment shows, and in words what may be concluded.

Reads the event database; no service need run. Where the registry does not know the experiment, its
arms are given as options.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.ab_measure import AsJson, Config, Url, now_ms, open_database, parse_day
from fimserve.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from fimserve.telemetry.database import Database
    from fimserve.telemetry.report import MetricRow, Report

__all__ = ["report"]


def report(
    name: Annotated[str, typer.Argument(help="Name of the experiment.")],
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Page to write, complete in one file.", dir_okay=False)
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help="An arm and its planned share, the control first; for experiments that were not "
            "made by `fimserve ab create`.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="First day, in UTC. Default: when it was started."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Last day, in UTC. Default: when it was stopped, or now."
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(
            help="Metric that decides, where the experiment's plan does not name it.",
            show_default="the plan's, else retained_chars",
        ),
    ] = None,
    tightest_at: Annotated[
        int,
        typer.Option(
            min=200,
            help="Users at which the anytime interval is tightest, as it was named before.",
        ),
    ] = 5_000,
    past_days: Annotated[
        int, typer.Option(min=0, help="Days before it that users' past is taken from; 0: none.")
    ] = 14,
    url: Url = None,
    config: Config = None,
) -> None:
    """Say what an experiment shows so far, and what may be concluded from it."""
    first = None if since is None else parse_day(since, "--since")
    last = None if until is None else parse_day(until, "--until", is_end=True)
    with open_database(url, config) as database:
        found = (
            _report_given(database, name, arm, first, last, primary, tightest_at, past_days)
            if arm
            else _report_known(database, name, first, last, primary, tightest_at, past_days)
        )
    if html is not None:
        _write_page(found, html)
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    elif html is None:
        _print_report(found)


def _report_known(
    database: "Database",
    name: str,
    first: int | None,
    last: int | None,
    primary: str | None,
    tightest_at: int,
    past_days: int,
) -> "Report":
    from fimserve.telemetry.report.experiment_report import (
        find_experiment,
        find_window,
        report_experiment,
    )

    one = find_experiment(database, name)
    window = find_window(one, now_ms(), first, last, past_days)
    return report_experiment(database, one, window, primary=primary, tightest_at=tightest_at)[1]


def _report_given(
    database: "Database",
    name: str,
    arms: list[str],
    first: int | None,
    last: int | None,
    primary: str | None,
    tightest_at: int,
    past_days: int,
) -> "Report":
    from fimserve.telemetry.metrics import Window, measure
    from fimserve.telemetry.report import ExperimentFacts, build_report
    from fimserve.telemetry.report.build import PRIMARY

    if first is None:
        raise UsageFailure("--arm needs --since: the registry does not say when it began")
    shares = dict(_parse_arm(one) for one in arms)
    now = now_ms()
    is_running = last is None or last > now
    facts = ExperimentFacts(
        name, shares, next(iter(shares)), is_running, primary or PRIMARY, tightest_at
    )
    return build_report(measure(database, Window(first, last or now, now, name, past_days)), facts)


def _parse_arm(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not name or not 0 < number < float("inf"):
        raise UsageFailure(f"--arm is {text!r}; write NAME=SHARE, such as control=0.5")
    return name, number


def _write_page(found: "Report", file: Path) -> None:
    from fimserve.telemetry.report import render_page

    try:
        file.write_text(render_page(found), encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from None
    print(f"wrote {file}", file=sys.stderr)


def _print_report(found: "Report") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(f"Experiment {found.experiment}, control {found.control}", style="bold")
    for one in found.statements:
        console.print(f"[bold]{one.level:8}[/bold] {escape(one.text)}")
    arms = Table("arm", "planned", "users", "triggered", "saw any", "counted", "accepted")
    for arm in found.arms:
        numbers = (arm.num_users, arm.num_triggered, arm.num_seen, arm.counted, arm.accepted)
        arms.add_row(arm.name, f"{arm.share:.1%}", *map(str, numbers))
    console.print(arms)
    table = Table(
        "metric", "arm", "control", "treatment", "difference, 95 %", "at any time", "p corrected"
    )
    for row in found.metrics:
        table.add_row(*_to_cells(row))
    console.print(table)
    latencies = Table("latency", "arm", "ms", "difference, 95 %")
    for latency in found.latencies:
        bounds = latency.difference_interval
        latencies.add_row(
            f"p{100 * latency.level:g}",
            latency.arm,
            f"{latency.ms:.0f}",
            "" if bounds is None else f"{bounds.lower:+.0f} to {bounds.upper:+.0f}",
        )
    console.print(latencies)


def _to_cells(row: "MetricRow") -> tuple[str, ...]:
    pattern = ".2%" if row.is_share else ".4g"
    fixed, anytime = row.fixed, row.anytime
    return (
        row.metric,
        row.arm,
        format(row.control, pattern),
        format(row.treatment, pattern),
        f"{format(fixed.lower, '+' + pattern)} to {format(fixed.upper, '+' + pattern)}",
        ""
        if anytime is None
        else f"{format(anytime.lower, '+' + pattern)} to {format(anytime.upper, '+' + pattern)}",
        f"{row.p_adjusted:.4f}",
    )
