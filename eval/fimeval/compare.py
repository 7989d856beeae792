"""Two runs over the same rows: is one better, by how much, and where do they differ?

Both runs answered the same rows, so the difference is taken row by row and whole clusters are
resampled: an interval of the difference is far narrower than two intervals of scores suggest. The
p-value is a cluster sign-flip permutation test: under no difference each cluster's sum is as likely
to have the other sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fimeval.bootstrap import BootstrapSettings, Floats, draw_clusters, find_interval
from fimeval.errors import EvalError
from fimeval.generations import Generations, load_generations
from fimeval.records import Record
from fimeval.run import find_task
from fimeval.score import ALL_LANGUAGES, RowScore, check_generations, score_rows
from fimeval.task import Task, with_execution

MAX_EXACT_CLUSTERS = 16
"""With as many clusters all sign flips are tried; with more, as many random ones as resamples."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second run minus the first under one rule, on one slice, in one language or in all."""

    rule: str
    slice: str
    language: str
    first: float
    second: float
    difference: float
    ci_low: float | None
    """None with fewer than two clusters."""
    ci_high: float | None
    p_value: float | None
    num_rows: int
    num_clusters: int
    num_won: int
    """Rows that the second run scores higher."""
    num_lost: int


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One row as both runs answered it."""

    record: Record
    first_text: str
    second_text: str
    first_scores: dict[str, float]
    second_scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that comparing two runs found."""

    task: Task
    first: Generations
    second: Generations
    differences: tuple[Difference, ...]
    """The first one is of the primary rule over all rows; the others are exploratory."""
    rows: tuple[ComparedRow, ...]


def compare_runs(
    first: Path,
    second: Path,
    data_path: Path | None,
    settings: BootstrapSettings,
    execute: bool = False,
) -> Comparison:
    """Score two runs and compare them row by row.

    Args:
        first: Generations file of the run to compare with.
        second: Generations file of the run that is asked about.
        data_path: The benchmark file; None takes it from where the first generation found it.
        settings: How intervals are drawn.
        execute: Whether the programs are run too, for the rules that need it.

    Returns:
        Differences and rows.

    Raises:
        EvalError: If the runs are of different tasks, data or rows.
    """
    one, other = load_generations(first), load_generations(second)
    for name in ("task", "data_sha256", "limit"):
        ours, theirs = getattr(one.settings, name), getattr(other.settings, name)
        if ours != theirs:
            raise EvalError(
                f"{first} has {name} {ours} and {second} has {theirs}; only runs over the same "
                "rows can be compared"
            )
    task = find_task(one, data_path)
    for run in (one, other):
        check_generations(task, run)
    if execute:
        task = with_execution(task)
    scores = [
        score_rows(task, {key: row.text for key, row in run.rows.items()}) for run in (one, other)
    ]
    return Comparison(
        task=task,
        first=one,
        second=other,
        differences=_find_differences(task, scores[0], scores[1], settings),
        rows=tuple(
            ComparedRow(
                record,
                one.rows[record.key].text,
                other.rows[record.key].text,
                ours.scores,
                theirs.scores,
            )
            for record, ours, theirs in zip(task.records, *scores, strict=True)
        ),
    )


def find_p_value(sums: Floats, num_resamples: int, seed: int) -> float | None:
    """Return the two-sided p-value of the cluster sign-flip test.

    Shapes:
        sums: [G]  sum of the row differences of each cluster

    Args:
        sums: Sums of differences.
        num_resamples: Random sign flips where there are too many clusters to try all.
        seed: Seed of the random ones.

    Returns:
        The share of sign flips whose sum is at least as far from 0; None with fewer than two
        clusters. Random flips count the observed one too, so the result is never 0.
    """
    if len(sums) < 2:
        return None
    observed = abs(sums.sum())
    if len(sums) <= MAX_EXACT_CLUSTERS:
        bits = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))
        totals = np.abs((1.0 - 2.0 * (bits & 1)) @ sums)
        return float((totals >= observed - 1e-12).mean())
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(num_resamples, len(sums)))
    num_as_far = int((np.abs(signs @ sums) >= observed - 1e-12).sum())
    return (num_as_far + 1) / (num_resamples + 1)


def _find_differences(
    task: Task,
    first: Sequence[RowScore],
    second: Sequence[RowScore],
    settings: BootstrapSettings,
) -> tuple[Difference, ...]:
    languages = sorted({row.language for row in first})
    groups = [ALL_LANGUAGES, *languages] if len(languages) > 1 else [ALL_LANGUAGES]
    found = []
    for rule in task.rules:
        for part in task.slices:
            for language in groups if part.by_language else groups[:1]:
                pairs = [
                    (one, other)
                    for one, other in zip(first, second, strict=True)
                    if rule.name in one.scores
                    and part.name in one.slices
                    and language in (ALL_LANGUAGES, one.language)
                ]
                if pairs:
                    found.append(_compare(pairs, rule.name, part.name, language, settings))
    return tuple(found)


def _compare(
    pairs: Sequence[tuple[RowScore, RowScore]],
    rule: str,
    part: str,
    language: str,
    settings: BootstrapSettings,
) -> Difference:
    ours = np.array([one.scores[rule] for one, _ in pairs])
    theirs = np.array([other.scores[rule] for _, other in pairs])
    gains = theirs - ours
    _, index = np.unique([one.cluster for one, _ in pairs], return_inverse=True)
    sums = np.bincount(index, weights=gains).astype(np.float64)
    sizes = np.bincount(index).astype(np.float64)
    low = high = None
    if len(sizes) > 1:
        draws = draw_clusters(len(sizes), settings.num_resamples, settings.seed)
        ends = find_interval(sums, sizes, draws, settings.level)
        low, high = (float(end) for end in ends)
    return Difference(
        rule=rule,
        slice=part,
        language=language,
        first=float(ours.mean()),
        second=float(theirs.mean()),
        difference=float(gains.mean()),
        ci_low=low,
        ci_high=high,
        p_value=find_p_value(sums, settings.num_resamples, settings.seed),
        num_rows=len(pairs),
        num_clusters=len(sizes),
        num_won=int((gains > 0).sum()),
        num_lost=int((gains < 0).sum()),
    )


def list_discordant(comparison: Comparison, rule: str) -> list[ComparedRow]:
    """Return the rows whose scores differ under a rule, the largest differences first.

    Args:
        comparison: Two runs.
        rule: Name of one of the task's rules.

    Returns:
        The rows; equal differences stay in the order of the task.
    """
    rows = [row for row in comparison.rows if rule in row.first_scores]

    def gain(row: ComparedRow) -> float:
        return row.second_scores[rule] - row.first_scores[rule]

    return sorted((row for row in rows if gain(row)), key=lambda row: -abs(gain(row)))
