"""From the options of `fimserve eval` to files, tables and the JSON line.

Composes `fimeval` with a completer and owns no rule of scoring. With --json stdout gets exactly
one line; tables then go to stderr, where progress always goes.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fimeval.bootstrap import BootstrapSettings
from fimeval.errors import EvalError
from fimeval.execution import is_caged
from fimeval.generate import ModelIdentity, generate, make_settings
from fimeval.generations import load_generations
from fimeval.references import check_references
from fimeval.report import Result, append_result, flatten_result
from fimeval.run import GENERATIONS_FILE, find_task, read_scores, score_file
from fimeval.table import build_check_table, build_result_table
from fimeval.task import Task, with_execution
from fimeval.tasks import load_task
from fimserve.cli.eval_model import EvalModel, Serving, open_engine, open_server
from fimserve.cli.eval_trimming import trim_run
from fimserve.cli.failure import Failure, UsageFailure
from fimserve.prompt import Order

__all__ = ["EvalOptions", "explain_failures", "run_scoring", "run_task", "run_trimming"]

PUBLISHED_RESULTS = Path("eval/results")
"""Where result lines go by default, in a checkout."""


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What the command line asked for."""

    data: Path
    model: str
    url: str | None
    limit: int | None
    order: str | None
    output: Path | None
    results: Path | None
    seed: int
    execute: bool
    as_json: bool
    device: str
    dtype: str
    serving: Serving
    publishes: bool = True
    """Whether the result line goes to eval/results where nobody says so."""
    adapter: Path | None = None
    """Directory of a LoRA adapter over the model."""


def run_task(name: str, options: EvalOptions, is_check: bool) -> None:
    """Run one benchmark, from its file to the result line.

    Args:
        name: Name of the task.
        options: What the command line asked for.
        is_check: Whether to test the scorer by the references, without a model.
    """
    with explain_failures():
        task = load_task(name, options.data, options.limit)
        executed = with_execution(task) if options.execute else task
        if is_check:
            _run_check(executed, options.as_json)
            return
        path = _generate(task, options)
        result = _score(path, options.data, options.seed, options.execute)
        console = Console(stderr=options.as_json)
        console.print(build_result_table(result))
        console.print(f"run: {path.parent}", soft_wrap=True)
        _publish(result, options.results or _find_results(options), options.as_json)


def run_scoring(
    file: Path,
    data: Path | None,
    results: Path | None,
    seed: int,
    execute: bool,
    as_json: bool,
) -> None:
    """Score a generations file again.

    Args:
        file: The generations file.
        data: Benchmark file; None takes it from where generation found it.
        results: Directory of result files; None appends nowhere.
        seed: Seed of the bootstrap.
        execute: Whether the programs are run too.
        as_json: Whether stdout gets one JSON line.
    """
    with explain_failures():
        result = _score(file, data, seed, execute)
        Console(stderr=as_json).print(build_result_table(result))
        _publish(result, results, as_json)


def run_trimming(file: Path, data: Path | None, output: Path | None, as_json: bool) -> None:
    """Trim the answers of a finished run, score them, and show what that did to the scores.

    Args:
        file: Its generations file.
        data: Benchmark file; None takes it from where generation found it.
        output: Directory of the new run; None puts it beside the old one.
        as_json: Whether stdout gets one JSON line.
    """
    with explain_failures():
        before = score_file(file, data, BootstrapSettings())
        directory = output or file.parent.with_name(f"{file.parent.name}-trimmed")
        path = trim_run(file, data, directory)
        after = score_file(path, data, BootstrapSettings())
        console = Console(stderr=as_json)
        console.print(build_result_table(before), build_result_table(after))
        console.print(_describe_change(file, path))
        _publish(after, None, as_json)


def _score(file: Path, data: Path | None, seed: int, execute: bool) -> Result:
    bootstrap = BootstrapSettings(seed=seed)
    if not execute:
        return score_file(file, data, bootstrap)
    console = Console(stderr=True)
    if not is_caged():
        console.print("programs run with network and files in reach: no cage can be built here")
    task = find_task(load_generations(file), data)
    with _show_progress(task, "running") as on_progress:
        return score_file(file, data, bootstrap, True, on_progress)


def _describe_change(file: Path, path: Path) -> str:
    """Return how many answers trimming made right and wrong, under each rule."""
    befores, afters = (
        {(row["task_id"], row["language"]): row["scores"] for row in read_scores(one)}
        for one in (file, path)
    )
    lines = []
    for rule in next(iter(befores.values())):
        changes = [afters[key][rule] - scores[rule] for key, scores in befores.items()]
        num_up, num_down = sum(c > 0 for c in changes), sum(c < 0 for c in changes)
        lines.append(f"{rule}: {num_up} answers became right, {num_down} wrong")
    return "\n".join(lines)


def _generate(task: Task, options: EvalOptions) -> Path:
    with _open_model(options) as model:
        directory = options.output or _find_output(task, model.identity)
        path = directory / GENERATIONS_FILE
        try:
            with _show_progress(task, "asking") as on_progress:
                generate(
                    task, model.identity, model.completer, path, on_progress, model.hash_rendered
                )
        except KeyboardInterrupt:
            Console(stderr=True).print("stopped; the same command continues where this one ended")
            raise
    return path


@contextmanager
def _open_model(options: EvalOptions) -> Iterator[EvalModel]:
    if options.url is None:
        order = _read_order(options.order)
        adapter = None if options.adapter is None else options.adapter.resolve()
        with open_engine(
            options.model, order, options.device, options.dtype, options.serving, adapter
        ) as model:
            yield model
        return
    for flag, value, default in (
        ("--order", options.order, None),
        ("--device", options.device, "auto"),
        ("--dtype", options.dtype, "auto"),
        ("--adapter", options.adapter, None),
        ("--no-heal", None if options.serving.heal else "", None),
        ("--no-trim", None if options.serving.trim else "", None),
    ):
        if value != default:
            name = f"{flag} {value}".strip()
            raise UsageFailure(f"{name} does not go with --url: the server decides it")
    with open_server(options.url, options.model) as model:
        yield model


def _read_order(name: str | None) -> Order | None:
    try:
        return None if name is None else Order(name)
    except ValueError:
        raise UsageFailure(f"--order is {name!r}; use one of {', '.join(Order)}") from None


def _run_check(task: Task, as_json: bool) -> None:
    checks = check_references(task)
    Console(stderr=as_json).print(build_check_table(task, checks))
    wrong = [f"{check.rule} on {check.slice}" for check in checks if not check.is_right]
    if as_json:
        line = {"task": task.name, "subset": task.subset, "is_right": not wrong}
        print(json.dumps({**line, "checks": [asdict(check) for check in checks]}))
    if wrong:
        raise Failure(
            f"the scorer fails its own test: {', '.join(wrong)}; references must score 100 % and "
            "empty strings 0, so trust no score on this file"
        )


def _publish(result: Result, results: Path | None, as_json: bool) -> None:
    line = flatten_result(result)
    if results is not None:
        path = append_result(results, line)
        Console(stderr=as_json).print(f"result line: {path}", soft_wrap=True)
    if as_json:
        print(json.dumps(line))


def _find_results(options: EvalOptions) -> Path | None:
    is_whole = options.publishes and options.limit is None
    return PUBLISHED_RESULTS if is_whole and PUBLISHED_RESULTS.is_dir() else None


def _find_output(task: Task, identity: ModelIdentity) -> Path:
    # Equal settings find their own directory again and continue; others never meet them.
    settings = asdict(make_settings(task, identity))
    if identity.adapter is None:  # runs without one keep the name they had before there were any
        del settings["adapter"], settings["adapter_sha256"]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    name = identity.name if identity.adapter is None else f"{identity.name}-{identity.adapter}"
    model = re.sub(r"[^\w.-]+", "-", name).strip("-")
    return Path("runs/eval") / f"{task.name}-{task.subset}-{model}-{digest}"


@contextmanager
def _show_progress(task: Task, doing: str) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"{task.name} {task.subset}, {doing}", total=len(task.records))
        started = False

        def show(num_done: int) -> None:
            # Rows of an earlier session are no progress of this one: they would spoil the ETA.
            nonlocal started
            if started:
                progress.update(bar, completed=num_done)
            else:
                progress.reset(bar, completed=num_done)
            started = True

        yield show


@contextmanager
def explain_failures() -> Iterator[None]:
    """Turn what evaluation refuses into the command's failure, with its message alone.

    Yields:
        None: Whatever may be refused belongs inside.

    Raises:
        Failure: With the message of the refusal.
    """
    try:
        yield
    except EvalError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error}; check --output, --results and the space on that disk") from None
