"""The ranking of kinds of a scored data set, as numbers and as tables."""

import platform
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from scipy.stats import spearmanr

from fimcurriculum.dataset.read import read_rows
from fimcurriculum.errors import DataSetError
from fimcurriculum.hardness.paper import HARD_KINDS
from fimcurriculum.hardness.ranking import contrast_kinds, rank_kinds
from fimcurriculum.hardness.resampled import NUM_RESAMPLES, ScoredSpan
from fimcurriculum.hardness.scores import ScoreFile
from fimcurriculum.schema import Kind

__all__ = ["describe_ranking", "make_paper_table", "make_rank_table"]

COLUMNS = (
    "repository",
    "language",
    "kind",
    "num_chars",
    "exact_match",
    "edit_similarity",
    "mean_nll",
    "hardness_model",
    "hardness_static",
)


HEADS = ("spans", "failure, %", "over random", "sim.", "nats a token", "chars")
MEASURES = {
    "failure": ("failure, points", 100),
    "excess": ("over random, points", 100),
    "nll": ("nats per token", 1),
}
"""Measure of a contrast -> its name and unit, and what brings it to that."""


def describe_ranking(out: Path, repositories: Collection[str] | None = None) -> dict[str, Any]:
    """Return the ranking of kinds and everything it depends on.

    Args:
        out: A data set with scores.
        repositories: Only their spans count; None takes all.

    Returns:
        A JSON object.

    Raises:
        DataSetError: If no example has a score.
    """
    rows = [row for row in read_rows(out, COLUMNS) if row["exact_match"] is not None]
    if repositories is not None:
        rows = [row for row in rows if row["repository"] in repositories]
    if not rows:
        those = "" if repositories is None else " in these repositories"
        raise DataSetError(
            f"no example of {out}{those} has a score; run `fimserve mine score {out}` first"
        )
    # Weighed and not written: nothing heals the token that a cut between two characters splits, so
    # random spans would fail for that alone.
    is_weighed = all(row["edit_similarity"] is None for row in rows)
    if is_weighed:
        rows = [row for row in rows if row["kind"] != Kind.RANDOM]
    spans = [ScoredSpan(**{name: row[name] for name in ScoredSpan.__slots__}) for row in rows]
    return {
        "task": "kind-ranking",
        "model": ScoreFile(out / "scores.jsonl").model,
        "exact_match": "each token the likeliest, end token included" if is_weighed else "written",
        "num_spans": len(spans),
        "num_repositories": len({span.repository for span in spans}),
        "languages": dict(sorted(Counter(row["language"] for row in rows).items())),
        "repositories": sorted({span.repository for span in spans}),
        "interval": f"95 %, percentile bootstrap over repositories, {NUM_RESAMPLES} resamples",
        "kinds": [_rounded(asdict(rank)) for rank in rank_kinds(spans)],
        "paper": [
            _rounded(asdict(contrast)) | {"harder": contrast.verdict}
            for contrast in contrast_kinds(spans, HARD_KINDS)
        ],
        "static_agreement": _static_agreement(rows),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _find_commit(),
        "python": platform.python_version(),
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in values.items()
    }


def _static_agreement(rows: list[dict[str, Any]]) -> float | None:
    """Return Spearman's correlation of the hardness by syntax with that by the model."""
    model = np.array([row["hardness_model"] for row in rows])
    static = np.array([row["hardness_static"] for row in rows])
    if len(rows) < 3 or not np.ptp(model) or not np.ptp(static):
        return None
    return round(float(spearmanr(model, static).statistic), 4)


def _find_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def make_rank_table(ranking: dict[str, Any]) -> Table:
    """Return the ranking as a table to print."""
    title = f"kinds by failure of {ranking['model']}; intervals hold 95 %"
    # Fits a terminal of 80 columns; the JSON object has more digits.
    table = Table(title=title, box=None, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for name in HEADS:
        table.add_column(name, justify="right", no_wrap=True)
    for rank in ranking["kinds"]:
        table.add_row(*_cells(rank))
    return table


def make_paper_table(ranking: dict[str, Any]) -> Table:
    """Return how the kinds that the paper calls hardest compare with all others, to print."""
    table = Table(title="harder than the mean of the other kinds? (arXiv 2412.16589: yes)")
    for name in ("kind", "measure", "difference", "95 %", "harder"):
        table.add_column(name)
    for contrast in ranking["paper"]:
        name, factor = MEASURES[contrast["measure"]]
        difference, low, high = (factor * contrast[n] for n in ("difference", "low", "high"))
        digits = 1 if factor > 1 else 2
        table.add_row(
            contrast["kind"],
            name,
            f"{difference:+.{digits}f}",
            f"{low:+.{digits}f} to {high:+.{digits}f}",
            contrast["harder"],
        )
    return table


def _cells(rank: dict[str, Any]) -> Iterator[str]:
    yield rank["kind"]
    yield str(rank["num_spans"])
    yield _with_interval(rank, ("failure", "failure_low", "failure_high"), ".0f", 100)
    yield _with_interval(rank, ("excess", "excess_low", "excess_high"), "+.0f", 100)
    yield "" if rank["edit_similarity"] is None else f"{rank['edit_similarity']:.2f}"
    yield _with_interval(rank, ("mean_nll", "nll_low", "nll_high"), ".2f", 1)
    yield f"{rank['mean_chars']:.0f}"


def _with_interval(rank: dict[str, Any], names: tuple[str, ...], digits: str, factor: int) -> str:
    if rank[names[0]] is None:
        return ""
    value, low, high = (format(factor * rank[name], digits) for name in names)
    return f"{value} ({low}..{high})"
