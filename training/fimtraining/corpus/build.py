"""Run the three stages over a list of repositories, with progress, resuming where a run stopped."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fimcurriculum.sources.clone import CloneError
from fimcurriculum.sources.decontamination import Decontamination, load_decontamination
from fimcurriculum.sources.sketch import make_sketch
from fimtraining.corpus.extract import Document, Extraction, extract_repository
from fimtraining.corpus.imports import RepositoryPaths
from fimtraining.corpus.recipe import CorpusRecipe, Repository, load_recipe, load_repositories
from fimtraining.corpus.select import Candidate, Choice, choose

SHARD_BYTES = 330_000_000
"""Text per Parquet file: about 50 MB on disk at this compression."""

_SCHEMA = pa.schema([(f.name, pa.large_string()) for f in fields(Document)])
_SHARD_SCHEMA = _SCHEMA.append(pa.field("imports", pa.list_(pa.int32())))
"""`imports`: where the files that a document imports stand, in rows from its own."""


class CorpusError(Exception):
    """The corpus cannot be built as the recipe asks."""


def build_corpus(
    recipe_path: Path, clones: Path, eval_dir: Path, out: Path, num_workers: int
) -> dict[str, Any]:
    """Build the corpus of a recipe and return its manifest.

    Args:
        recipe_path: Recipe, TOML.
        clones: Directory with one clone per repository, named `owner+name`.
        eval_dir: Directory with `decontamination.json` and the evaluation files.
        out: Output directory; `stage/` in it holds finished work of an interrupted run.
        num_workers: Processes.

    Returns:
        What `manifest.json` holds. A repository that cannot be read is a CorpusError, evaluation
        data that is not whole a DecontaminationError.
    """
    recipe = load_recipe(recipe_path)
    repositories = load_repositories(recipe_path.parent / recipe.repositories)
    stage = out / "stage"
    stage.mkdir(parents=True, exist_ok=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    ) as progress:
        summaries = _extract_all(
            repositories, recipe, clones, eval_dir, stage, num_workers, progress
        )
        sources = [r for r in repositories if not summaries[r.name]["refused"]]
        choice = _choose_all(sources, recipe, stage, num_workers, progress)
        counts = _write_shards(sources, recipe, choice, stage, out, progress)
    manifest = _make_manifest(recipe, recipe_path, repositories, summaries, choice, counts)
    _write_json(out / "manifest.json", manifest)
    return manifest


# ---------------------------------------------------------------------------------- extract

_worker_decontamination: Decontamination | None = None


def _start_worker(decontamination: Decontamination) -> None:
    global _worker_decontamination
    _worker_decontamination = decontamination


def _extract_one(
    repository: Repository, clones: Path, languages: frozenset[str], stage: Path
) -> str:
    assert _worker_decontamination is not None
    extraction = extract_repository(repository, clones, languages, _worker_decontamination)
    _write_table(stage / f"{repository.directory}.parquet", extraction.documents, level=3)
    # The summary is the completion mark: it is renamed into place last.
    _write_json(
        stage / f"{repository.directory}.json",
        {"commit": repository.commit, **_summarise(extraction)},
    )
    return repository.name


def _summarise(extraction: Extraction) -> dict[str, Any]:
    return {
        "refused": extraction.refused,
        "seen": dict(extraction.seen),
        "dropped": dict(extraction.dropped),
        "scrubbed": dict(extraction.scrubbed),
        "num_documents": len(extraction.documents),
    }


def _extract_all(
    repositories: list[Repository],
    recipe: CorpusRecipe,
    clones: Path,
    eval_dir: Path,
    stage: Path,
    num_workers: int,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    languages = frozenset(recipe.languages)
    # Read here, not in the workers, where an error would only break the pool.
    decontamination = load_decontamination(eval_dir)
    waiting = [r for r in repositories if _read_mark(stage, r) is None]
    bar = progress.add_task("extract", total=len(repositories))
    progress.advance(bar, len(repositories) - len(waiting))
    failures: list[str] = []
    with ProcessPoolExecutor(
        num_workers, initializer=_start_worker, initargs=(decontamination,)
    ) as pool:
        jobs = {pool.submit(_extract_one, r, clones, languages, stage): r for r in waiting}
        for job in as_completed(jobs):
            progress.advance(bar)
            try:
                job.result()
            except CloneError as error:
                failures.append(f"{jobs[job].name}: {error}")
    if failures:
        raise CorpusError("these repositories cannot be read:\n  " + "\n  ".join(sorted(failures)))
    return {r.name: _read_mark(stage, r) or {} for r in repositories}


def _read_mark(stage: Path, repository: Repository) -> dict[str, Any] | None:
    """Return the summary of finished work on the same commit, or None."""
    try:
        mark: dict[str, Any] = json.loads((stage / f"{repository.directory}.json").read_text())
    except FileNotFoundError:
        return None
    return mark if mark["commit"] == repository.commit else None


# ----------------------------------------------------------------------------------- choose


def _sketch_file(path: Path, seed: int) -> list[tuple[Candidate, Any]]:
    return [
        (
            Candidate(
                key=_key(row),
                repository=row["repository"],
                language=row["language"],
                num_bytes=len(row["text"].encode()),
                sha256=row["sha256"],
            ),
            make_sketch(row["text"], seed),
        )
        for row in _read_rows(path)
    ]


def _key(row: dict[str, str]) -> str:
    return f"{row['repository']}:{row['path']}"


def _choose_all(
    repositories: list[Repository],
    recipe: CorpusRecipe,
    stage: Path,
    num_workers: int,
    progress: Progress,
) -> Choice:
    bar = progress.add_task("choose", total=len(repositories))

    def sketches() -> Iterator[tuple[Candidate, Any]]:
        with ProcessPoolExecutor(num_workers) as pool:
            paths = [stage / f"{r.directory}.parquet" for r in repositories]
            # In order, so that the first of two copies is the same on every run.
            for found in pool.map(_sketch_file, paths, [recipe.seed] * len(paths)):
                progress.advance(bar)
                yield from found

    return choose(sketches(), recipe)


# ------------------------------------------------------------------------------------ write


def _write_shards(
    repositories: list[Repository],
    recipe: CorpusRecipe,
    choice: Choice,
    stage: Path,
    out: Path,
    progress: Progress,
) -> dict[str, Counter[str]]:
    """Write the kept documents, whole repositories together, and return files and bytes kept."""
    bar = progress.add_task("write", total=len(repositories))
    counts: dict[str, Counter[str]] = {}
    held_out = frozenset(recipe.validation_repositories)
    for split in ("train", "validation"):
        files: Counter[str] = Counter()
        num_bytes: Counter[str] = Counter()
        shard: list[dict[str, Any]] = []
        shard_bytes = num_shards = 0
        for repository in repositories:
            if (repository.name in held_out) != (split == "validation"):
                continue
            rows = _read_rows(stage / f"{repository.directory}.parquet")
            kept = [row for row in rows if _key(row) in choice.kept]
            for row in _link_imports(kept):
                size = len(row["text"].encode())
                files[row["language"]] += 1
                num_bytes[row["language"]] += size
                shard.append(row)
                shard_bytes += size
            progress.advance(bar)
            if shard_bytes >= SHARD_BYTES:
                _write_rows(
                    out / f"{split}-{num_shards:05d}.parquet", shard, level=12, schema=_SHARD_SCHEMA
                )
                shard, shard_bytes, num_shards = [], 0, num_shards + 1
        if shard:
            _write_rows(
                out / f"{split}-{num_shards:05d}.parquet", shard, level=12, schema=_SHARD_SCHEMA
            )
            num_shards += 1
        # What an earlier, larger build left would be read as part of this one.
        for stale in sorted(out.glob(f"{split}-*.parquet"))[num_shards:]:
            stale.unlink()
        counts[f"{split}_files"] = files
        counts[f"{split}_bytes"] = num_bytes
    return counts


def _link_imports(rows: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Yield the kept rows of one repository, in order, each with the distances to its imports."""
    places = {row["path"]: place for place, row in enumerate(rows)}
    paths = RepositoryPaths(list(places))
    for place, row in enumerate(rows):
        found = paths.imports(row["path"], row["language"], row["text"])
        yield row | {"imports": [places[path] - place for path in found]}


def _make_manifest(
    recipe: CorpusRecipe,
    recipe_path: Path,
    repositories: list[Repository],
    summaries: dict[str, dict[str, Any]],
    choice: Choice,
    counts: dict[str, Counter[str]],
) -> dict[str, Any]:
    seen: Counter[str] = Counter()
    dropped: Counter[str] = Counter(choice.dropped)
    scrubbed: Counter[str] = Counter()
    for summary in summaries.values():
        seen.update(summary["seen"])
        dropped.update(summary["dropped"])
        scrubbed.update(summary["scrubbed"])
    reasons: dict[str, dict[str, int]] = {}
    for key, number in sorted(dropped.items()):
        language, _, reason = key.partition("/")
        reasons.setdefault(reason, {})[language] = number
    return {
        "corpus": recipe.name,
        "recipe_sha256": hashlib.sha256(recipe_path.read_bytes()).hexdigest(),
        "built": datetime.now(UTC).date().isoformat(),
        "total_bytes": sum(counts["train_bytes"].values())
        + sum(counts["validation_bytes"].values()),
        "files_seen": dict(sorted(seen.items())),
        **{name: dict(sorted(counter.items())) for name, counter in counts.items()},
        "files_dropped": reasons,
        "scrubbed": dict(scrubbed),
        "refused_repositories": {
            name: summary["refused"] for name, summary in summaries.items() if summary["refused"]
        },
        "repositories": [
            asdict(r) | {"num_documents": summaries[r.name]["num_documents"]} for r in repositories
        ],
    }


# ------------------------------------------------------------------------------------ files


def _read_rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = pq.read_table(path).to_pylist()
    return rows


def _write_table(path: Path, documents: list[Document], level: int) -> None:
    _write_rows(path, [asdict(document) for document in documents], level)


def _write_rows(
    path: Path, rows: list[dict[str, Any]], level: int, schema: pa.Schema = _SCHEMA
) -> None:
    partial = path.with_suffix(".partial")
    # Large pages let the compressor see whole neighbouring files: a fifth smaller on disk.
    pq.write_table(
        pa.Table.from_pylist(rows, schema=schema),
        partial,
        compression="zstd",
        compression_level=level,
        use_dictionary=["repository", "commit", "licence", "language"],
        data_page_size=32_000_000,
    )
    os.replace(partial, path)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial-json")
    partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(partial, path)
