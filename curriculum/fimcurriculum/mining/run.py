"""The whole of `fimserve mine`: what changed is mined, spans are chosen, changed files are written.

out/
  data/train/OWNER+NAME.parquet         examples, one file per repository
  data/validation/OWNER+NAME.parquet
  README.md, plots/                     the card
  report.json                           counts of the last run
  scores.jsonl                          what a model made of spans, if it was asked
  stage/                                ledger and rows that the next run starts from
"""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fimcurriculum.dataset.choose import RepositoryChoice, assign_splits, choose_spans
from fimcurriculum.dataset.report import write_report
from fimcurriculum.dataset.snippets import open_snippets
from fimcurriculum.dataset.write import Signals, span_id, write_repository
from fimcurriculum.errors import MinerError
from fimcurriculum.hardness.scores import ScoreFile
from fimcurriculum.mining.executors import ExecutorName, run_pieces
from fimcurriculum.mining.ledger import Ledger
from fimcurriculum.mining.piece import Piece, PieceResult
from fimcurriculum.mining.repository import Repository, open_repository
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import SPLITS
from fimcurriculum.sources.clone import CloneError
from fimcurriculum.sources.decontamination import (
    Decontamination,
    DecontaminationError,
    load_decontamination,
)
from fimcurriculum.sources.licences import PERMISSIVE

__all__ = ["MiningJob", "MiningSummary", "Progress", "mine"]

FILES_PER_PIECE = 32


@dataclass(frozen=True, slots=True)
class MiningJob:
    """What is to be mined, and how."""

    clones: tuple[Path, ...]
    out: Path
    recipe: MiningRecipe = field(default_factory=MiningRecipe)
    revision: str = "HEAD"
    executor: ExecutorName = "local"
    num_jobs: int = 1
    decontamination: Path | None = None
    """Directory of `decontamination.json` and the files it names."""
    refusal: dict[str, float] = field(default_factory=dict)
    """Kind -> share of suggestions that users refused."""


@dataclass(slots=True)
class MiningSummary:
    """What a run did."""

    num_repositories: int = 0
    num_refused_repositories: int = 0
    num_files: int = 0
    num_files_mined: int = 0
    """Those that were new or had changed."""
    num_rows: dict[str, int] = field(default_factory=dict)
    """Split -> examples."""
    num_repositories_written: int = 0
    definitions_left_out: Counter[str] = field(default_factory=Counter)
    """Spans of repositories written whose definitions a program could not find, by reason."""


class Progress:
    """Told what happens; does nothing by itself."""

    def begin_mining(self, num_files: int) -> None:
        """Note how many files there are to mine."""

    def add_mined(self, num_files: int, num_spans: int) -> None:
        """Note files that are done."""

    def begin_writing(self, num_repositories: int) -> None:
        """Note how many repositories there are to choose and write."""

    def add_written(self) -> None:
        """Note a repository that is done."""


def mine(job: MiningJob, progress: Progress | None = None) -> MiningSummary:
    """Bring a data set up to date with its repositories.

    Args:
        job: The work.
        progress: Is told how it goes.

    Returns:
        What was done.

    Raises:
        MinerError: If a clone or the list of evaluation data cannot be read, or two clones have one
            name.
    """
    progress = progress or Progress()
    benchmark = _load_list(job.decontamination)
    repositories = _open_all(job)
    stage = job.out / "stage"
    ledger = Ledger(stage / "ledger.sqlite")
    try:
        taken = []
        for repository in repositories:
            refused = _refuse(repository, job.recipe, benchmark)
            ledger.enter_repository(repository, refused)
            if refused is None:
                taken.append(repository)
        summary = MiningSummary(
            num_repositories=len(repositories),
            num_refused_repositories=len(repositories) - len(taken),
            num_files=sum(len(repository.files) for repository in taken),
        )
        _mine_changed(job, taken, ledger, stage, progress, summary)
        choices = _write_changed(job, taken, ledger, stage, progress, summary)
        write_report(job.out, job.recipe, ledger, repositories, choices, benchmark is not None)
    except CloneError as error:
        raise MinerError(str(error)) from error
    finally:
        ledger.close()
    return summary


def _load_list(directory: Path | None) -> Decontamination | None:
    try:
        return None if directory is None else load_decontamination(directory)
    except DecontaminationError as error:
        raise MinerError(str(error)) from error


def _open_all(job: MiningJob) -> list[Repository]:
    repositories = [open_repository(c, job.revision, job.recipe.languages) for c in job.clones]
    repositories.sort(key=lambda repository: repository.name)
    names = Counter(repository.name for repository in repositories)
    if twice := [name for name, times in names.items() if times > 1]:
        raise MinerError(
            f"several clones are called {', '.join(twice)}; name directories OWNER+NAME"
        )
    return repositories


def _refuse(
    repository: Repository, recipe: MiningRecipe, benchmark: Decontamination | None
) -> str | None:
    if benchmark is not None and benchmark.is_listed(repository.name):
        return "benchmark_repository"
    if recipe.permissive_only and repository.licence not in PERMISSIVE:
        return "licence"
    return None


# ------------------------------------------------------------------------------------------ mine


def _mine_changed(
    job: MiningJob,
    repositories: Sequence[Repository],
    ledger: Ledger,
    stage: Path,
    progress: Progress,
    summary: MiningSummary,
) -> None:
    digest = _mining_digest(job)
    changed = {r.name: ledger.find_changed(r, digest) for r in repositories}
    summary.num_files_mined = sum(map(len, changed.values()))
    progress.begin_mining(summary.num_files_mined)

    def pieces() -> Iterator[Piece]:
        run = secrets.token_hex(4)
        for repository in repositories:
            files = changed[repository.name]
            for start in range(0, len(files), FILES_PER_PIECE):
                yield Piece(
                    repository=repository.name,
                    git_dir=repository.git_dir,
                    files=tuple(files[start : start + FILES_PER_PIECE]),
                    recipe=job.recipe,
                    decontamination=job.decontamination,
                    target=stage / repository.file_name / f"{run}-{start // FILES_PER_PIECE:06}",
                )

    for result in run_pieces(pieces(), job.executor, job.num_jobs):
        ledger.enter(result, digest)
        progress.add_mined(len(result.files), _count_spans(result))
    for repository in repositories:
        _remove_stale(stage / repository.file_name, ledger.live_targets(repository.name).keys())


def _mining_digest(job: MiningJob) -> str:
    listing = b""
    if job.decontamination is not None:
        listing = (job.decontamination / "decontamination.json").read_bytes()
    return hashlib.sha256(job.recipe.mining_digest.encode() + listing).hexdigest()[:16]


def _count_spans(result: PieceResult) -> int:
    return sum(file.num_spans for file in result.files)


def _remove_stale(directory: Path, live: Container[str]) -> None:
    """Remove rows that the ledger no longer names: of files that changed, of runs cut short."""
    for path in directory.glob("*"):
        if path.name.partition(".")[0] not in live:
            path.unlink()


# ----------------------------------------------------------------------------------------- write


def _write_changed(
    job: MiningJob,
    repositories: Sequence[Repository],
    ledger: Ledger,
    stage: Path,
    progress: Progress,
    summary: MiningSummary,
) -> Counter[str]:
    names = [repository.name for repository in repositories]
    # One without files in these languages would be held out for nothing.
    splits = dict.fromkeys(names, "train") | assign_splits(
        [repository.name for repository in repositories if repository.files], job.recipe
    )
    signals = Signals(ScoreFile(job.out / "scores.jsonl").scores, job.refusal)
    by_name = {repository.name: repository for repository in repositories}
    rows: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
    dropped: Counter[str] = Counter()
    progress.begin_writing(len(repositories))
    for choice in choose_spans(names, stage, ledger, job.recipe):
        repository = by_name[choice.repository]
        split = splits[repository.name]
        path = job.out / "data" / split / f"{repository.file_name}.parquet"
        left_out = ledger.dropped_paths(repository.name)
        digest = _written_digest(job, repository, choice, split, signals, left_out)
        if ledger.written(repository.name) != digest or not path.is_file():
            with open_snippets(
                repository,
                job.recipe.max_snippet_tokens,
                job.recipe.project_definitions,
                left_out,
            ) as snippets:
                write_repository(
                    repository, choice.spans, split, path, job.recipe, signals, snippets
                )
                summary.definitions_left_out.update(snippets.left_out)
            ledger.enter_written(repository.name, digest)
            summary.num_repositories_written += 1
        rows[split] += len(choice.spans)
        dropped.update(choice.dropped)
        progress.add_written()
    _remove_others(job.out / "data", by_name, splits)
    summary.num_rows = dict(rows)
    return dropped


def _written_digest(
    job: MiningJob,
    repository: Repository,
    choice: RepositoryChoice,
    split: str,
    signals: Signals,
    left_out: frozenset[str],
) -> str:
    ids = [span_id(repository.name, chosen) for chosen in choice.spans]
    parts = [
        job.recipe.digest,
        repository.commit,
        repository.licence,
        split,
        *(f"{i}:{c.num_foreign_symbols}" for i, c in zip(ids, choice.spans, strict=True)),
        *(f"{i}:{signals.scores[i].failure}" for i in ids if i in signals.scores),
        json.dumps(signals.refusal, sort_keys=True),
        json.dumps(sorted(left_out)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _remove_others(data: Path, by_name: dict[str, Repository], splits: dict[str, str]) -> None:
    """Remove files of repositories that are not mined any more, or are in the other split now."""
    wanted = {
        data / splits[name] / f"{repository.file_name}.parquet"
        for name, repository in by_name.items()
    }
    for path in data.glob("*/*"):
        if path not in wanted:
            path.unlink()
