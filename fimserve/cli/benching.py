"""From the options of `fimserve bench` to tables, pictures and the JSON line.

Composes `fimeval.bench` and owns no rule of measuring. Stdout gets the table and, as its last
line, the JSON line; progress goes to stderr.
Longer than most files because every bench goes the same way, read side by side.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fimeval.bench.chart import check_can_draw, draw_goodput, draw_soak
from fimeval.bench.editors import TypingHabits
from fimeval.bench.goodput import Goodput, GoodputSettings, Trial, search_goodput
from fimeval.bench.goodput_report import (
    build_goodput_line,
    build_goodput_table,
    describe_goodput,
)
from fimeval.bench.health_watch import find_listener
from fimeval.bench.latency import LatencySettings, measure_latency
from fimeval.bench.latency_report import build_latency_line, build_latency_table
from fimeval.bench.objective import Objective
from fimeval.bench.paired import build_paired_table
from fimeval.bench.scenarios import ScenarioKind
from fimeval.bench.soak import SoakResult, SoakSettings, run_soak
from fimeval.bench.soak_report import build_soak_line, build_soak_table
from fimeval.bench.target import Target, open_target
from fimeval.bench.text_supply import PromptSize
from fimeval.errors import EvalError
from fimeval.generations import append_line
from fimeval.gpu import find_gpu
from fimeval.provenance import describe_provenance
from fimserve.cli.failure import Failure, UsageFailure
from fimserve.prompt import Order

__all__ = [
    "EditorOptions",
    "GoodputOptions",
    "LatencyOptions",
    "ServerOptions",
    "SoakOptions",
    "explain_failures",
    "measure_targets",
    "publish",
    "run_goodput",
    "run_latency",
    "run_soak_bench",
    "show_progress",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """A server as the command line names it."""

    url: str | None
    model: str | None
    dialect: str
    tokenizer: Path | None
    family: str | None
    order: str | None
    keeps_alive: bool

    def to_target(self, name: str) -> Target:
        """Return what the benches need of it."""
        return Target(
            url=self.url,
            name=name,
            dialect=self.dialect,
            model=self.model,
            tokenizer=self.tokenizer,
            family=self.family,
            order=_read_order(self.order),
            keeps_alive=self.keeps_alive,
        )


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """What the command line asked of the latency bench."""

    n: int
    tokens: str
    suffix_share: float
    max_tokens: int
    scenarios: str | None
    corpus: Path | None
    tokenizer: Path | None
    offset_chars: int | None


@dataclass(frozen=True, slots=True)
class EditorOptions:
    """The simulated editors and what they expect, as the command line says it."""

    ttft_ms: float
    e2e_ms: float
    editor_rate: float
    cold_share: float
    tokens: int
    suffix_share: float
    max_tokens: int
    seed: int
    corpus: Path | None
    tokenizer: Path | None

    def to_objective(self) -> Objective:
        """Return what an answer must meet."""
        return Objective(self.ttft_ms, self.e2e_ms)

    def to_habits(self) -> TypingHabits:
        """Return how the editors work."""
        return TypingHabits(
            requests_per_s=self.editor_rate,
            cold_share=self.cold_share,
            size=PromptSize(self.tokens, self.suffix_share),
            max_tokens=self.max_tokens,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class GoodputOptions:
    """What the command line asked of the goodput search."""

    attainment: float
    seconds: float
    warmup_s: float
    min_requests: int
    first_rate: float
    max_rate: float
    precision: float


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """What the command line asked of the soak."""

    rate: float
    minutes: float
    leave_share: float
    malformed_share: float
    pid: int | None


def run_latency(
    servers: Sequence[ServerOptions], options: LatencyOptions, output: Path | None
) -> None:
    """Measure latency, print the table and the line.

    Args:
        servers: One server, or several to be compared with the first.
        options: What the command line asked for.
        output: File that gets the line; None keeps none.
    """
    names = ("server", "peer")
    measure_targets(
        tuple(one.to_target(name) for one, name in zip(servers, names, strict=False)),
        options,
        output,
    )


def measure_targets(
    targets: tuple[Target, ...], options: LatencyOptions, output: Path | None
) -> None:
    """Measure servers in turn, print the tables and the line.

    Args:
        targets: The servers; the others are compared with the first.
        options: What the command line asked for.
        output: File that gets the line; None keeps none.
    """
    settings = LatencySettings(
        n=options.n,
        tokens=_read_numbers(options.tokens),
        suffix_share=options.suffix_share,
        max_tokens=options.max_tokens,
        scenarios=_read_scenarios(options.scenarios),
        corpus=options.corpus,
        tokenizer=options.tokenizer,
        offset_chars=options.offset_chars,
    )
    with explain_failures(), show_progress("requests") as advance:
        run, results, pairs = _wait_for(measure_latency(targets, settings, advance))
    line = build_latency_line(run, results, pairs, describe_provenance(), find_gpu())
    title = f"latency, {settings.n} requests per row, {settings.max_tokens} new tokens"
    tables = [build_latency_table(title, results)]
    if pairs:
        tables.append(build_paired_table(pairs))
    publish(Group(*tables), line, output)


def run_goodput(
    server: ServerOptions,
    editors: EditorOptions,
    options: GoodputOptions,
    picture: Path | None,
    output: Path | None,
) -> None:
    """Search for the goodput, print the table and the line, draw the curve.

    Args:
        server: The server.
        editors: Who asks it.
        options: What the command line asked for.
        picture: File that gets the curve; None draws none.
        output: File that gets the line; None keeps none.
    """
    settings = GoodputSettings(
        objective=editors.to_objective(),
        attainment=options.attainment,
        habits=editors.to_habits(),
        seconds=options.seconds,
        warmup_s=options.warmup_s,
        min_requests=options.min_requests,
        first_rate=options.first_rate,
        max_rate=options.max_rate,
        precision=options.precision,
        corpus=editors.corpus,
        tokenizer=editors.tokenizer,
    )

    def show_trial(trial: Trial) -> None:
        verdict = "good" if trial.is_good else "not good enough"
        progress.print(f"{trial.rate:.3g} requests/s: {trial.attained:.1%} in time, {verdict}")

    progress = Console(stderr=True)

    async def search() -> tuple[dict[str, Any], Goodput]:
        async with open_target(server.to_target("server")) as opened:
            with progress.status("searching for the goodput"):
                return opened.describe(), await search_goodput(opened.client, settings, show_trial)

    with explain_failures():
        if picture is not None:
            check_can_draw(picture)
        described, found = _wait_for(search())
    line = build_goodput_line(described, found, settings, describe_provenance(), find_gpu())
    publish(build_goodput_table(found, settings), line, output)
    if picture is not None:
        with explain_failures():
            draw_goodput(found, settings, describe_goodput(found), picture)


def run_soak_bench(
    server: ServerOptions,
    editors: EditorOptions,
    options: SoakOptions,
    picture: Path | None,
    output: Path | None,
) -> None:
    """Run a soak, print the table and the line, draw the curves.

    Args:
        server: The server.
        editors: Who asks it.
        options: What the command line asked for.
        picture: File that gets the curves; None draws none.
        output: File that gets the line; None keeps none.

    Raises:
        Failure: If the soak found a problem.
    """
    settings = SoakSettings(
        rate=options.rate,
        minutes=options.minutes,
        habits=editors.to_habits(),
        leave_share=options.leave_share,
        malformed_share=options.malformed_share,
        objective=editors.to_objective(),
        pid=options.pid,
        corpus=editors.corpus,
        tokenizer=editors.tokenizer,
    )

    async def soak(advance: Callable[[int], None]) -> tuple[dict[str, Any], SoakResult]:
        async with open_target(server.to_target("server")) as opened:
            pid = settings.pid or find_listener(opened.client.root)
            return opened.describe(), await run_soak(
                opened.client, replace(settings, pid=pid), advance
            )

    with explain_failures():
        if picture is not None:
            check_can_draw(picture)
        with show_progress("requests") as advance:
            described, result = _wait_for(soak(advance))
    line = build_soak_line(described, result, settings, describe_provenance(), find_gpu())
    publish(build_soak_table(result, settings), line, output)
    if picture is not None:
        with explain_failures():
            draw_soak(result, f"{options.rate:.3g} requests/s", picture)
    if problems := result.list_problems():
        raise Failure("; ".join(problems))


def _wait_for(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _read_order(name: str | None) -> Order | None:
    try:
        return None if name is None else Order(name)
    except ValueError:
        raise UsageFailure(f"--order is {name!r}; use one of {', '.join(Order)}") from None


def _read_numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageFailure(f"--tokens is {text!r}; write lengths as 1024,2048") from None
    if min(numbers) < MIN_PROMPT_TOKENS:
        raise UsageFailure(f"--tokens is {text!r}; the shortest prompt has {MIN_PROMPT_TOKENS}")
    return numbers


MIN_PROMPT_TOKENS = 32


def _read_scenarios(text: str | None) -> tuple[ScenarioKind, ...]:
    if text is None:
        return tuple(ScenarioKind)
    try:
        return tuple(ScenarioKind(part.strip()) for part in text.split(","))
    except ValueError as error:
        known = ", ".join(ScenarioKind)
        raise UsageFailure(f"--scenarios: {error}; use some of {known}") from None


def publish(table: RenderableType, line: dict[str, Any], output: Path | None) -> None:
    """Print a table and, last, the JSON line, which is also appended to a file.

    Args:
        table: What people read.
        line: What is kept.
        output: The file; None keeps none.

    Raises:
        Failure: If the file cannot be written.
    """
    Console().print(table)
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            append_line(output, line)
        except OSError as error:
            print(json.dumps(line))  # what was measured is not lost
            raise Failure(f"{error}; check --output and the space on that disk") from None
    print(json.dumps(line))


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr how many of something are done, for the length of a `with` block.

    Args:
        what: What is counted.

    Yields:
        Callable[[int], None]: Call it once for each, with the number of all.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda total: progress.update(bar, advance=1, total=total)


@contextmanager
def explain_failures() -> Iterator[None]:
    """Turn what a bench cannot do into a failure of the command.

    Yields:
        None: Nothing.

    Raises:
        Failure: If the bench could not do its work.
    """
    try:
        yield
    except EvalError as error:
        raise Failure(str(error)) from None
