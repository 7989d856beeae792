"""From the options of `fimserve mine` to a data set, its scores, tables and pictures.

Composes `fimcurriculum` with clones, a model and the event store, and owns no rule of mining.
Progress goes to stderr.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fimcurriculum.dataset.card import write_card
from fimcurriculum.dataset.look import draw_rows, make_example_view, make_stats_tables
from fimcurriculum.dataset.rank_report import describe_ranking, make_paper_table, make_rank_table
from fimcurriculum.dataset.read import read_rows
from fimcurriculum.dataset.report import read_report
from fimcurriculum.dataset.rescore import rescore
from fimcurriculum.errors import MinerError
from fimcurriculum.hardness.http_answerer import HttpAnswerer
from fimcurriculum.hardness.scores import ScoreFile
from fimcurriculum.hardness.scoring import (
    Answerer,
    Question,
    SpanRef,
    draw_sample,
    score_questions,
)
from fimcurriculum.hardness.telemetry import Acceptance, refusal_by_kind
from fimcurriculum.mining import run as mining
from fimcurriculum.mining.executors import ExecutorName
from fimcurriculum.recipe import MiningRecipe, load_recipe
from fimserve.cli.failure import Failure, UsageFailure

__all__ = [
    "MineOptions",
    "ScoreOptions",
    "run_mining",
    "run_ranking",
    "run_scoring",
    "run_show",
    "run_stats",
]


@dataclass(frozen=True, slots=True)
class MineOptions:
    """What the command line asked to mine."""

    repos: tuple[Path, ...]
    out: Path
    languages: str | None
    revision: str
    jobs: int
    recipe: Path | None
    executor: ExecutorName
    decontamination: Path | None
    telemetry_url: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What the command line asked to score."""

    directory: Path
    model: str
    url: str | None
    per_kind: int
    languages: str | None
    max_prompt_tokens: int
    dtype: str
    writes: bool
    parallel: int
    seed: int


def run_mining(options: MineOptions) -> None:
    """Mine clones into a data set and say what came of it.

    Args:
        options: What the command line asked for.
    """
    with _explain_failures():
        recipe = load_recipe(options.recipe) if options.recipe else MiningRecipe()
        if options.languages:
            recipe = replace(recipe, languages=_split(options.languages))
        job = mining.MiningJob(
            clones=options.repos,
            out=options.out,
            recipe=recipe,
            revision=options.revision,
            executor=options.executor,
            num_jobs=options.jobs,
            decontamination=_find_list(options.decontamination),
            refusal=_read_refusal(options.telemetry_url),
        )
        with _MiningBars() as bars:
            summary = mining.mine(job, bars)
        write_card(options.out)
    if options.as_json:
        print(json.dumps(asdict(summary)))
        return
    print(
        f"{summary.num_files_mined} of {summary.num_files} files mined, "
        f"{summary.num_repositories_written} of {summary.num_repositories} repositories written: "
        f"{summary.num_rows['train']} examples to train, "
        f"{summary.num_rows['validation']} to validate in {options.out}"
    )
    for reason, number in summary.definitions_left_out.most_common():
        print(f"definitions fall short for {number} spans: {reason}")
    if summary.num_refused_repositories:
        print(
            f"{summary.num_refused_repositories} repositories were left out; "
            f"`fimserve mine stats {options.out}` says why"
        )


def run_scoring(options: ScoreOptions) -> None:
    """Ask a model for a sample of the spans and write what it did into the data set.

    Args:
        options: What the command line asked for.
    """
    with _explain_failures():
        sample = _draw_sample(options)
        scores = ScoreFile(options.directory / "scores.jsonl")
        with _open_answerer(options) as (name, answerer):
            scores.begin(name)
            with _show_bar("score", len(sample)) as (bars, bar):
                bars.advance(bar, sum(ref.id in scores.scores for ref in sample))
                questions = _read_questions(options.directory, sample)
                try:
                    for _ in score_questions(questions, answerer, scores, options.parallel):
                        bars.advance(bar)
                finally:  # what there is counts, also where the run was stopped
                    num_scored = rescore(options.directory, scores.scores)
                    write_card(options.directory)
    print(f"{num_scored} examples have a score by {scores.model}")


def run_ranking(
    directory: Path,
    results: Path | None,
    plot: Path | None,
    repositories: str | None,
    as_json: bool,
) -> None:
    """Rank the kinds by the failure of the model.

    Args:
        directory: The data set.
        results: File that gets the result as a line, or None.
        plot: Picture to draw, or None.
        repositories: Those to rank by, comma-separated; None takes all.
        as_json: Whether stdout gets one JSON object.
    """
    with _explain_failures():
        ranking = describe_ranking(directory, _split(repositories) if repositories else None)
        console = Console(stderr=as_json)
        console.print(make_rank_table(ranking))
        console.print(make_paper_table(ranking))
        if plot is not None:
            from fimcurriculum.dataset.plots import plot_ranking

            plot_ranking(ranking, plot)
    line = json.dumps(ranking)
    if results is not None:
        with results.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    if as_json:
        print(line)


def run_stats(directory: Path, as_json: bool) -> None:
    """Say what a data set holds.

    Args:
        directory: The data set.
        as_json: Whether to print one JSON object.
    """
    with _explain_failures():
        report = read_report(directory)
        if as_json:
            print(json.dumps(report))
            return
        for table in make_stats_tables(directory, report):
            Console().print(table)


def run_show(
    directory: Path, kind: str | None, language: str | None, limit: int, hardest: bool, seed: int
) -> None:
    """Show examples.

    Args:
        directory: The data set.
        kind: Only this kind; None shows any.
        language: Only this language; None shows any.
        limit: How many.
        hardest: Whether the hardest ones are taken instead of any.
        seed: Decides which.

    Raises:
        Failure: If there is no such example.
    """
    with _explain_failures():
        rows = draw_rows(directory, kind, language, limit, hardest, seed)
    if not rows:
        raise Failure(
            f"{directory} has no such example; `fimserve mine stats {directory}` counts what it has"
        )
    console = Console()
    for row in rows:
        console.print(make_example_view(row, with_colour=console.color_system is not None))


def _split(languages: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in languages.split(",") if name.strip())


def _find_list(path: Path | None) -> Path | None:
    """Return the directory of the list of evaluation data, which may be named itself."""
    if path is None:
        return None
    return (path.parent if path.is_file() else path).resolve()


def _read_refusal(url: str | None) -> dict[str, float]:
    if url is None:
        return {}
    from fimserve.cli.settings import find_config, load_settings
    from fimserve.telemetry import TelemetryError
    from fimserve.telemetry.kind_acceptance import read_kind_acceptance

    settings = load_settings({}, {}, find_config(), None, {"url": url}).telemetry
    try:
        counts = read_kind_acceptance(settings)
    except TelemetryError as error:
        raise Failure(str(error)) from None
    refusal = refusal_by_kind(
        Acceptance(c.language or "", c.node, c.num_shown, c.num_accepted) for c in counts
    )
    if not refusal:
        raise Failure(
            f"{url} has no shown suggestion with a syntax node; leave out --from-telemetry"
        )
    return refusal


def _draw_sample(options: ScoreOptions) -> list[SpanRef]:
    wanted = _split(options.languages) if options.languages else None
    columns = ("id", "repository", "language", "kind")
    rows = read_rows(options.directory, columns)
    spans = (SpanRef(**row) for row in rows if wanted is None or row["language"] in wanted)
    sample = draw_sample(spans, options.per_kind, options.seed)
    if not sample:
        raise UsageFailure(f"{options.directory} has no span in {options.languages}")
    return sample


def _read_questions(directory: Path, sample: list[SpanRef]) -> Iterator[Question]:
    """Yield the questions of a sample in its order."""
    columns = ("id", "language", "path", "prefix", "middle", "suffix")
    wanted = {ref.id for ref in sample}
    found = {row["id"]: row for row in read_rows(directory, columns) if row["id"] in wanted}
    for ref in sample:
        yield Question(**found.pop(ref.id))


@contextmanager
def _open_answerer(options: ScoreOptions) -> Iterator[tuple[str, Answerer]]:
    if options.url is not None:
        answerer = HttpAnswerer(options.url, options.model)
        try:
            yield f"{options.model} at {options.url}", answerer
        finally:
            answerer.close()
        return
    from fimserve.cli.mining_model import open_local_model

    limit = options.max_prompt_tokens
    with open_local_model(options.model, options.dtype, limit, options.writes) as model:
        way = "written" if options.writes else "weighed"
        prompts = f"{model.order} prompts of {limit} tokens"
        yield f"{model.name} {model.dtype}, {prompts}, {way}", model.answer


@contextmanager
def _show_bar(name: str, total: int) -> Iterator[tuple[Progress, TaskID]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield bars, bars.add_task(name, total=total)


class _MiningBars(mining.Progress):
    """Shows how mining goes: a bar for files with the rates, one for repositories."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rates]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._num_files = self._num_spans = 0

    def __enter__(self) -> "_MiningBars":
        self._bars.start()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._bars.stop()

    def begin_mining(self, num_files: int) -> None:
        self._mining = self._bars.add_task("files", total=num_files, rates="")
        self._begun = time.monotonic()

    def add_mined(self, num_files: int, num_spans: int) -> None:
        self._num_files += num_files
        self._num_spans += num_spans
        seconds = max(1e-3, time.monotonic() - self._begun)
        files_s, spans_s = self._num_files / seconds, self._num_spans / seconds
        self._bars.update(
            self._mining,
            advance=num_files,
            rates=f"{files_s:.0f} files/s {spans_s:.0f} spans/s",
        )

    def begin_writing(self, num_repositories: int) -> None:
        self._writing = self._bars.add_task("repositories", total=num_repositories, rates="")

    def add_written(self) -> None:
        self._bars.advance(self._writing)


@contextmanager
def _explain_failures() -> Iterator[None]:
    try:
        yield
    except MinerError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error}; check the directory and the space on that disk") from None
