"""`fimserve ab simulate`: users who are known to differ, on a running service.

Only the options and the summary; who the users are and what they do is in `fimeval.simulation`.
"""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.ab_experiments import Config
from fimserve.cli.failure import UsageFailure

if TYPE_CHECKING:
    from fimeval.simulation import SimulationResult, SimulationSettings

__all__ = ["simulate_users"]


def simulate_users(
    experiment: Annotated[
        str | None,
        typer.Argument(help="Experiment that runs there; needed for --backdate alone."),
    ] = None,
    url: Annotated[
        str, typer.Option(help="Service; FIMSERVE_API_KEY is its key.")
    ] = "http://127.0.0.1:8111",
    users: Annotated[int, typer.Option(min=1, help="How many.")] = 400,
    days: Annotated[int, typer.Option(min=1, help="Days over which events are dated.")] = 14,
    per_day: Annotated[
        float, typer.Option(min=0.01, help="Suggestions of the median user on a working day.")
    ] = 4.0,
    effect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARM:NAME=NUMBER,...",
            help="What an arm does to its users: acceptance, persistence (log-odds), latency_ms, "
            "errors.",
        ),
    ] = None,
    completions: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Part of the suggestions that the service writes; 0 for volume: one per user.",
        ),
    ] = 1.0,
    connections: Annotated[int, typer.Option(min=1, help="Users at work at a time.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Decides who they are and what they do.")] = 0,
    backdate: Annotated[
        bool,
        typer.Option(
            "--backdate",
            help="Afterwards date reception, and the experiment's start, back in the event "
            "database of the settings, so that reports see the days. For throw-away databases.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: Config = None,
) -> None:
    """Let simulated users work on a running service, with effects that are known."""
    from fimeval.simulation import SimulationSettings, parse_effect, simulate
    from fimserve.cli.benching import explain_failures, show_progress

    if backdate and experiment is None:
        raise UsageFailure("--backdate needs the name of the experiment")
    with explain_failures():
        settings = SimulationSettings(
            num_users=users,
            days=days,
            per_day=per_day,
            completion_share=completions,
            effects=dict(parse_effect(one) for one in effect or ()),
            end_ms=_last_midnight_ms(),
            connections=connections,
            seed=seed,
        )
        key = os.environ.get("FIMSERVE_API_KEY")
        with show_progress("users") as advance:
            result = asyncio.run(simulate(url, settings, key, lambda: advance(users)))
    if backdate and experiment is not None:
        _backdate(experiment, settings, config)
    told = _describe(result, settings)
    if as_json:
        print(json.dumps(told))
    else:
        _print_summary(result)


def _last_midnight_ms() -> int:
    """Return the beginning of today, UTC: what is dated before it has happened."""
    return int(time.time()) // 86_400 * 86_400_000


def _backdate(experiment: str, settings: "SimulationSettings", config: Path | None) -> None:
    from fimeval.simulation.backdate import backdate
    from fimserve.cli.settings import find_config, load_settings

    telemetry = load_settings({}, {}, config or find_config()).telemetry
    if not telemetry.is_on:
        raise UsageFailure("--backdate needs the event database of the service: [telemetry] url")
    backdate(telemetry, experiment, settings.run)


def _describe(result: "SimulationResult", settings: "SimulationSettings") -> dict[str, object]:
    return {
        "seed": settings.seed,
        "days": settings.days,
        "users": dict(result.users),
        "events": dict(result.events),
        "num_completions": result.num_completions,
        "num_stored": result.num_stored,
        "effects": {arm: effect._asdict() for arm, effect in settings.effects.items()},
    }


def _print_summary(result: "SimulationResult") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("arm", "users")
    for arm, num in sorted(result.users.items()):
        table.add_row(arm, str(num))
    console = Console()
    console.print(table)
    console.print(
        f"{result.num_completions} completions of the service; {result.events.total()} events, "
        f"{result.num_stored} of them new"
    )
