"""Scoring: raw answers and references in, one score per row and rule out, then estimates.

Needs no model and can be run again at any time from the generations file. Whoever changes what a
rule answers for any text raises SCORER_VERSION.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fimeval.bootstrap import BootstrapSettings, ClusterEstimate, estimate_mean
from fimeval.completer import make_prompt
from fimeval.errors import GenerationsError
from fimeval.generations import Generations, append_line
from fimeval.records import Record, RowKey
from fimeval.rules import Rule
from fimeval.task import Slice, Task
from fimserve.prompt import Order

SCORER_VERSION = 1

ALL_LANGUAGES = "all"


@dataclass(frozen=True, slots=True)
class RowScore:
    """The scores of one row by the names of the rules."""

    task_id: str
    language: str
    cluster: str
    slices: tuple[str, ...]
    """Names of the slices that hold this row."""
    scores: dict[str, float]
    """Without the rules that do not cover the row."""


@dataclass(frozen=True, slots=True)
class Score:
    """The estimate of one rule on one slice in one language, or in all."""

    rule: str
    slice: str
    language: str
    estimate: ClusterEstimate


def check_generations(task: Task, generations: Generations) -> None:
    """Refuse answers that are incomplete or were made from other data than the task's.

    Args:
        task: The rows to score.
        generations: The answers.

    Raises:
        GenerationsError: If data, rows or prompts differ.
    """
    settings, path = generations.settings, generations.path
    if (settings.task, settings.data_sha256) != (task.name, task.data_sha256):
        raise GenerationsError(
            f"{path} answers {settings.task} of {settings.data_file} with SHA-256 "
            f"{settings.data_sha256}; {task.data_path} is {task.name} with {task.data_sha256}: "
            "give the file it was made from"
        )
    missing = [record.key for record in task.records if record.key not in generations.rows]
    if missing:
        raise GenerationsError(
            f"{path} answers {len(task.records) - len(missing)} of {len(task.records)} rows, "
            f"the first missing one is {' '.join(missing[0])}; run the command that made it again"
        )
    if extra := len(generations.rows) - len(task.records):
        raise GenerationsError(f"{path} answers {extra} rows that the task does not have")
    order = None if settings.order is None else Order(settings.order)
    for record in task.records:
        prompt = make_prompt(record, order, settings.max_tokens)
        if generations.rows[record.key].prompt_sha256 != prompt.sha256():
            raise GenerationsError(
                f"{path}: {' '.join(record.key)} was asked with another prompt than this version "
                "makes; generate again"
            )


def score_rows(
    task: Task,
    texts: Mapping[RowKey, str],
    on_progress: Callable[[int], None] = lambda num_done: None,
) -> tuple[RowScore, ...]:
    """Return the scores of every row of the task under every rule.

    Args:
        task: Rows and rules.
        texts: Raw answer of each row.
        on_progress: Called with the number of scored rows after each; rules that run programs take
            their time.

    Returns:
        One score set per row, in the order of the task.
    """
    rows = []
    for record in task.records:
        rows.append(_score_row(task, record, texts[record.key]))
        on_progress(len(rows))
    return tuple(rows)


def write_scores(path: Path, rows: Iterable[RowScore]) -> None:
    """Write the scores of every row as JSON lines, in place of an earlier scoring."""
    path.unlink(missing_ok=True)
    append_line(path, {"record": "scorer", "version": SCORER_VERSION})
    for row in rows:
        append_line(path, {"record": "score", **asdict(row)})


def estimate_scores(
    task: Task, rows: Sequence[RowScore], settings: BootstrapSettings
) -> tuple[Score, ...]:
    """Return the estimate of every rule on every slice, over all languages and in each.

    Args:
        task: Names the rules and slices; the first of each make the first, primary score.
        rows: Scores of every row.
        settings: How intervals are drawn.

    Returns:
        Scores ordered by rule, slice, language. A slice without rows in a language has none.
    """
    languages = sorted({row.language for row in rows})
    groups = [ALL_LANGUAGES, *languages] if len(languages) > 1 else [ALL_LANGUAGES]
    scores = []
    for rule in task.rules:
        for part in task.slices:
            for language in groups if part.by_language else groups[:1]:
                kept = [r for r in rows if rule.name in r.scores and _is_in(r, part, language)]
                if kept:
                    estimate = _estimate(kept, rule, settings)
                    scores.append(Score(rule.name, part.name, language, estimate))
    return tuple(scores)


def _score_row(task: Task, record: Record, text: str) -> RowScore:
    return RowScore(
        task_id=record.key.task_id,
        language=record.key.language,
        cluster=record.cluster,
        slices=tuple(part.name for part in task.slices if part.keeps(record)),
        scores={rule.name: rule.score(text, record) for rule in task.rules if rule.covers(record)},
    )


def _is_in(row: RowScore, part: Slice, language: str) -> bool:
    return part.name in row.slices and language in (ALL_LANGUAGES, row.language)


def _estimate(rows: Sequence[RowScore], rule: Rule, settings: BootstrapSettings) -> ClusterEstimate:
    # Clusters are resampled across languages for the overall figure: one problem, all its rows.
    _, index = np.unique([row.cluster for row in rows], return_inverse=True)
    values = np.array([row.scores[rule.name] for row in rows])
    sums = np.bincount(index, weights=values).astype(np.float64)
    sizes = np.bincount(index).astype(np.float64)
    return estimate_mean(sums, sizes, settings)
