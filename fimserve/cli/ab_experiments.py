"""`fimserve ab create|start|stop|list`: what runs, for how many, and the switch that ends it.

Writes to the event database; services that run on it follow within seconds. None of them needs to
run.
"""

import json
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fimserve.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from fimserve.cli.settings import Settings
    from fimserve.telemetry.experiments import Experiment, ExperimentRegistry, Plan

__all__ = ["create", "list_all", "start", "stop"]

Name = Annotated[str, typer.Argument(help="Name of the experiment.")]
Url = Annotated[
    str | None,
    typer.Option(help="Event database. Default: telemetry.url of the settings."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="Settings file.", show_default="fimserve.toml where there is one", dir_okay=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def create(
    name: Name,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE[,KEY=VALUE]",
            help="An arm, the first is the control: ours=0.5,adapter=ours,delay_ms=200.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with arms, share, layer and so on, in place of options.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Part of the layer's users.", show_default="1")
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="Experiments of one layer exclude each other.", show_default="default"),
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Only this tenant; may be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Only this language; may be repeated.")
    ] = None,
    editor: Annotated[
        list[str] | None, typer.Option(help="Only this editor; may be repeated.")
    ] = None,
    guard: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A limit that stops an arm: latency_ms=50, errors=0.01, car_drop=0.03.",
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(
            help="Metric that is to decide, named now and not afterwards.",
            show_default="retained_chars",
        ),
    ] = None,
    started: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Describe an experiment; it is a draft until it is started."""
    given: dict[str, Any] = {} if file is None else _read_file(file)
    given |= {"name": name}
    given |= {
        key: value
        for key, value in (("share", share), ("layer", layer), ("primary", primary))
        if value is not None
    }
    targets = (("tenants", tenant), ("languages", language), ("editors", editor))
    given |= {key: value for key, value in targets if value}
    if arm:
        given["arms"] = [_parse_arm(one) for one in arm]
    if guard:
        given["guardrails"] = dict(_parse_pair(one, "--guard") for one in guard)
    with _open(url, config) as (registry, settings):
        from fimserve.telemetry.experiments import parse_plan

        plan = parse_plan(given)
        _check_adapters(plan, settings)
        made = registry.create(plan)
        if started:
            made = registry.start(name)
    print(f"{made.name} is {made.state}")


def start(name: Name, url: Url = None, config: Config = None) -> None:
    """Start a draft: from now on its users get their arms."""
    with _open(url, config) as (registry, settings):
        plans = {one.name: one.plan for one in registry.read().experiments}
        if name in plans:
            _check_adapters(plans[name], settings)
        registry.start(name)
    print(f"{name} is running; services follow within {settings.experiments.refresh_s:g} s")


def stop(
    name: Annotated[
        str | None, typer.Argument(help="Name of the experiment; none with --all.")
    ] = None,
    arm: Annotated[str | None, typer.Option(help="Only this arm; the others go on.")] = None,
    reason: Annotated[str, typer.Option(help="Why; shown in lists.")] = "by an operator",
    everything: Annotated[
        bool, typer.Option("--all", help="Stop all that runs: everybody gets production.")
    ] = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Stop an experiment for good, or one arm of it; its users get production."""
    if (name is None) != everything or (everything and arm is not None):
        raise UsageFailure("give the name of an experiment, or --all")
    with _open(url, config) as (registry, settings):
        if name is None:
            running = [one.name for one in registry.read().experiments if one.state == "running"]
        else:
            running = [name]
        for one in running:
            if arm is None:
                registry.stop(one, reason)
            else:
                registry.stop_arm(one, arm, reason)
    what = ", ".join(running) or "nothing"
    print(
        f"stopped {what if arm is None else f'arm {arm} of {what}'}; "
        f"services follow within {settings.experiments.refresh_s:g} s"
    )


def list_all(as_json: AsJson = False, url: Url = None, config: Config = None) -> None:
    """Show all experiments: state, arms, and why what was stopped was stopped."""
    with _open(url, config) as (registry, _):
        experiments = registry.read().experiments
    if as_json:
        print(json.dumps([_to_json(one) for one in experiments]))
    else:
        _print_table(experiments)


@contextmanager
def _open(
    url: str | None, config: Path | None
) -> Iterator[tuple["ExperimentRegistry", "Settings"]]:
    from fimserve.cli.settings import find_config, load_settings
    from fimserve.telemetry import TelemetryError
    from fimserve.telemetry.errors import ExperimentError
    from fimserve.telemetry.experiments import open_registry

    settings = load_settings({}, {}, config or find_config(), None, {"url": url})
    if not settings.telemetry.is_on:
        raise UsageFailure("experiments need events, and [telemetry] url is off; give --url")
    try:
        with open_registry(settings.telemetry) as registry:
            yield registry, settings
    except ExperimentError as error:
        raise UsageFailure(str(error)) from None
    except TelemetryError as error:
        raise Failure(str(error)) from None


def _check_adapters(plan: "Plan", settings: "Settings") -> None:
    """Refuse an adapter that the services of these settings could not load."""
    wanted = {arm.name: arm.adapter for arm in plan.arms if arm.adapter is not None}
    if not wanted:
        return
    folder = settings.engine.adapters
    if folder is None:
        raise UsageFailure(
            f"arms name adapters ({', '.join(sorted(set(wanted.values())))}) and no directory of "
            "adapters is set: adapters of [engine], or FIMSERVE_ENGINE_ADAPTERS"
        )
    there = sorted(one.parent.name for one in Path(folder).glob("*/adapter_config.json"))
    for arm, adapter in wanted.items():
        if adapter not in there:
            raise UsageFailure(
                f"arm {arm}: adapter is {adapter!r}; the adapter directory holds: "
                f"{', '.join(there) or 'none'}"
            )


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageFailure(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise UsageFailure(f"{file} is not valid TOML: {error}") from None


def _parse_arm(text: str) -> dict[str, Any]:
    head, *further = text.split(",")
    name, share = _parse_pair(head, "--arm")
    return {"name": name, "share": share} | dict(_parse_pair(one, "--arm") for one in further)


def _parse_pair(text: str, option: str) -> tuple[str, Any]:
    """Return key and value of `key=value`, the value as TOML has it: a number, true, or a name."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise UsageFailure(f"{option} has {text!r}; write KEY=VALUE")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _to_json(one: "Experiment") -> dict[str, Any]:
    told = one.to_json()
    # Who knows the salt could tell who is in which arm.
    return {key: value for key, value in told.items() if key != "salt"}


def _print_table(experiments: "Sequence[Experiment]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("experiment", "layer", "share", "state", "since (UTC)", "arms", "why stopped")
    for one in experiments:
        since_ms = one.stopped_ms or one.started_ms or one.created_ms
        since = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        arms = "\n".join(
            f"{arm.name} {arm.share:g}" + (" (stopped)" if arm.name in one.stopped_arms else "")
            for arm in one.plan.arms
        )
        reasons = [f"{name}: {stop.reason}" for name, stop in one.stopped_arms.items()]
        reasons += [one.reason] if one.reason else []
        table.add_row(
            one.name,
            one.plan.layer,
            f"{one.plan.share:g}",
            one.state,
            since,
            arms,
            "\n".join(reasons),
        )
    Console().print(table)
