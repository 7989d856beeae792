"""Measures what an editor waits for, over HTTP: the first text, the last byte, each token.

    python -m fimeval.latency                                  starts the project's own service
    python -m fimeval.latency --url URL --model NAME           any OpenAI-compatible server
    python -m fimeval.latency --output eval/results/latency.jsonl      also keeps the JSON line

Prints a table, then one JSON line. Nothing is asserted: a number is judged by who reads it.
"""

import json
import random
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from fimeval.editing_trace import load_source_text, make_shape, rotate
from fimeval.errors import EvalError
from fimeval.generations import append_line
from fimeval.gpu import find_gpu
from fimeval.latency_report import (
    LatencyRun,
    ScenarioResult,
    build_latency_line,
    build_latency_table,
    summarise,
)
from fimeval.latency_scenarios import Scenario, cut_places, plan_scenarios
from fimeval.own_server import run_own_server
from fimeval.provenance import Provenance, describe_command, describe_provenance
from fimeval.streaming_client import StreamingClient

MODULE = "fimeval.latency"
PROGRAM = f"python -m {MODULE}"

WARMUP = 2
"""Untimed requests ahead of each scenario: the first fills caches and opens the connection."""


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """What to measure, and how much of it."""

    url: str | None = None
    """Address of a server; None starts this project's own."""
    model: str = "embedded"
    """Model to serve, or the model's name at the address."""
    n: int = 20
    """Timed requests of each scenario."""
    prefix_tokens: int = 1024
    suffix_tokens: int = 256
    max_tokens: int = 32
    """Most new tokens of an answer; a model that ends earlier writes fewer."""


DEFAULTS = LatencySettings()

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Tokens = Annotated[int, typer.Option(min=1, help="Wanted length, about.")]


@app.command()
def main(
    url: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible server that supports suffix; FIMSERVE_API_KEY is its key. "
            "Default: starts `fimserve serve`."
        ),
    ] = DEFAULTS.url,
    model: Annotated[
        str, typer.Option(help="embedded, a directory, a hub id, or a name at --url.")
    ] = DEFAULTS.model,
    n: Annotated[int, typer.Option("--n", min=1, help="Timed requests per scenario.")] = DEFAULTS.n,
    prefix_tokens: Tokens = DEFAULTS.prefix_tokens,
    suffix_tokens: Tokens = DEFAULTS.suffix_tokens,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Most new tokens of an answer.")
    ] = DEFAULTS.max_tokens,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File that gets the JSON line at its end. Default: none.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Measure the latency of a completion server: cold prompts, keystrokes, repeated prompts."""
    settings = LatencySettings(url, model, n, prefix_tokens, suffix_tokens, max_tokens)
    try:
        run, results = measure(settings)
        line = build_latency_line(run, results, _describe_run(), find_gpu())
        Console().print(build_latency_table(_describe(settings), results))
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            append_line(output, line)
    except EvalError as error:
        typer.echo(f"latency: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"latency: {error}; check --output and the space on that disk", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(line))


def measure(settings: LatencySettings) -> tuple[LatencyRun, tuple[ScenarioResult, ...]]:
    """Run every scenario, one request at a time.

    Fails with EvalError where the server cannot be started, reached or used.

    Args:
        settings: What to measure.

    Returns:
        What exactly was asked, and what it took.
    """
    shape = make_shape(settings.prefix_tokens, settings.suffix_tokens, settings.max_tokens)
    text = load_source_text()
    # A server that was there before may remember the prompts of an earlier run.
    offset_chars = 0 if settings.url is None else random.randrange(len(text))
    # After the timed requests comes one that counts cached tokens.
    places = cut_places(rotate(text, offset_chars), shape, WARMUP + settings.n + 1)
    with _open_server(settings) as client:
        orders = client.find_orders()
        scenarios = plan_scenarios(places, orders, f"fimeval-{secrets.token_hex(4)}")
        with _show_progress(sum(len(scenario.questions) for scenario in scenarios)) as advance:
            results = tuple(_run_scenario(scenario, client, advance) for scenario in scenarios)
    run = LatencyRun(
        url=settings.url,
        model=settings.model,
        n=settings.n,
        warmup=WARMUP,
        prefix_tokens=settings.prefix_tokens,
        suffix_tokens=settings.suffix_tokens,
        max_tokens=settings.max_tokens,
        offset_chars=offset_chars,
        prompts_sha256=places.sha256(),
    )
    return run, results


@contextmanager
def _open_server(settings: LatencySettings) -> Iterator[StreamingClient]:
    if settings.url is not None:
        with StreamingClient(settings.url, settings.model, settings.max_tokens) as client:
            yield client
        return
    # The own service has but one model, whatever its name.
    with (
        run_own_server(settings.model) as url,
        StreamingClient(url, None, settings.max_tokens) as client,
    ):
        yield client


def _run_scenario(
    scenario: Scenario, client: StreamingClient, advance: Callable[[], None]
) -> ScenarioResult:
    *streamed, last = scenario.questions
    timings = []
    for question in streamed:
        timings.append(client.measure(question))
        advance()
    cached_share = client.find_cached_share(last)
    advance()
    return summarise(scenario.name, scenario.order, timings[WARMUP:], cached_share)


@contextmanager
def _show_progress(total: int) -> Iterator[Callable[[], None]]:
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("requests", total=total)
        yield lambda: progress.advance(bar)


def _describe(settings: LatencySettings) -> str:
    return f"{settings.model} at {settings.url or 'its own server'}, {settings.n} requests per row"


def _describe_run() -> Provenance:
    # argv begins with the name of the module's file, which is no command.
    arguments = describe_command([MODULE, *sys.argv[1:]])
    return replace(describe_provenance(), command=f"python -m {arguments}")


if __name__ == "__main__":
    app(prog_name=PROGRAM)
