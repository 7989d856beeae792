"""`fimserve eval repo`: a private benchmark of mined spans, made once and then run like any other.

Composes the miner's spans with evaluation: `fimcurriculum` draws the rows, a file keeps them, and
`fimeval` reads it. Its results are nobody else's business, so none is published by itself.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fimcurriculum.dataset.benchmark import BenchmarkCounts, BenchmarkSettings, draw_benchmark
from fimcurriculum.errors import MinerError
from fimcurriculum.mining.repository import Repository, open_repository
from fimcurriculum.recipe import EXTRACTION_VERSION, MiningRecipe
from fimeval.data_file import write_data_file
from fimserve.cli.evaluation import EvalOptions, explain_failures, run_task
from fimserve.cli.failure import Failure, UsageFailure

__all__ = ["RepositoryOptions", "build_benchmark", "run_repository"]

TASK = "repo"


@dataclass(frozen=True, slots=True)
class RepositoryOptions:
    """Which spans of which repositories the command line asked for."""

    repositories: tuple[Path, ...]
    revision: str
    languages: str | None
    kinds: str | None
    per_kind: int
    sample_seed: int
    exclude: tuple[str, ...]
    skip_generated: bool
    snippet_tokens: int


def run_repository(
    data: Path | None, asked: RepositoryOptions, options: EvalOptions, is_check: bool
) -> None:
    """Make the benchmark where it is not there yet, and run it.

    Args:
        data: A file made earlier; None makes one of the repositories.
        asked: The repositories and what to draw.
        options: How to run it; its data is replaced.
        is_check: Whether to test the scorer by the references, without a model.

    Raises:
        UsageFailure: If both or neither of file and repositories are given.
    """
    if (data is None) == (not asked.repositories):
        raise UsageFailure("give --repository, or with --data a file that was made of one")
    path = data or build_benchmark(asked)
    run_task(TASK, replace(options, data=path), is_check)


def build_benchmark(asked: RepositoryOptions) -> Path:
    """Return the file of a benchmark's rows, made unless the same one is there.

    Args:
        asked: The repositories and what to draw.

    Returns:
        A file under runs/eval, named by repositories, commits and settings.

    Raises:
        Failure: If a clone cannot be read, or gives no rows.
    """
    console = Console(stderr=True)
    try:
        settings = _read_settings(asked)
        languages = settings.recipe.languages
        found = [open_repository(c, asked.revision, languages) for c in asked.repositories]
        _check_names(found)
        path = _find_path(found, settings)
        if path.exists():
            console.print(f"benchmark: {path}", soft_wrap=True)
            return path
        counts = BenchmarkCounts()
        with _show_files(sum(len(one.files) for one in found)) as on_progress, explain_failures():
            rows = [asdict(row) for row in draw_benchmark(found, settings, counts, on_progress)]
            if rows:
                write_data_file(path, rows)
    except MinerError as error:
        raise Failure(str(error)) from None
    for line in _describe(counts, found):
        console.print(line, soft_wrap=True)
    if not rows:
        raise Failure(
            f"no span was found in {counts.num_files} files; ask for other --languages or --kinds"
        )
    console.print(f"benchmark: {path}", soft_wrap=True)
    return path


def _read_settings(asked: RepositoryOptions) -> BenchmarkSettings:
    recipe = MiningRecipe()
    if asked.languages:
        recipe = replace(recipe, languages=_split(asked.languages))
    if asked.kinds:
        recipe = replace(recipe, kinds=_split(asked.kinds))
    return BenchmarkSettings(
        per_kind=asked.per_kind,
        seed=asked.sample_seed,
        recipe=recipe,
        exclude=asked.exclude,
        skip_generated=asked.skip_generated,
        snippet_tokens=asked.snippet_tokens,
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _check_names(repositories: list[Repository]) -> None:
    names = Counter(repository.name for repository in repositories)
    if twice := [name for name, times in names.items() if times > 1]:
        raise UsageFailure(f"several repositories are called {', '.join(twice)}; rename a folder")


def _find_path(repositories: list[Repository], settings: BenchmarkSettings) -> Path:
    content = {
        "commits": sorted((one.name, one.commit) for one in repositories),
        "settings": asdict(settings),
        "recipe": settings.recipe.mining_digest,
        "version": EXTRACTION_VERSION,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
    names = "_".join(sorted(one.file_name for one in repositories)[:2])
    return Path("runs/eval") / f"{TASK}-{names}-{digest}.jsonl.gz"


def _describe(counts: BenchmarkCounts, repositories: list[Repository]) -> Iterator[str]:
    unread = sum((one.left_out for one in repositories), Counter[str]())
    for reason, number in (counts.left_out + unread).most_common():
        yield f"left out: {number} files, {reason}"
    drawn = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.drawn.items()))
    yield (
        f"{counts.drawn.total()} rows of {counts.num_files} files and {counts.found.total()} "
        f"spans: {drawn}"
    )


@contextmanager
def _show_files(total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("finding spans", total=total)
        yield lambda num_done: progress.update(bar, completed=num_done)
