"""Reporting: one result line that says the number, its interval, and everything it depends on.

Result lines are appended to `eval/results/<task>.jsonl` and never rewritten.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fimeval.bootstrap import METHOD, BootstrapSettings
from fimeval.generations import Generation, Generations, RunSettings, append_line
from fimeval.provenance import Provenance, hash_files
from fimeval.score import SCORER_VERSION, Score
from fimeval.task import Task

RESULT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from question to whole answer, one question at a time."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run found and what it depends on."""

    settings: RunSettings
    scores: tuple[Score, ...]
    """The first one is the primary score."""
    rules: dict[str, str]
    """What each rule's name means."""
    slices: dict[str, str]
    bootstrap: BootstrapSettings
    num_rows: int
    num_published_rows: int
    """Rows of the whole published benchmark set."""
    prompts_sha256: str
    """Hash over the hashes of all prompts, in the order of the task."""
    rendered_sha256: str | None
    """The same over the prompts' token ids; None where a server rendered them."""
    generations_sha256: str
    latency: Latency
    finish_reasons: dict[str, int]
    generated: tuple[Provenance, ...]
    """Each start of the generation; more than one where it was resumed."""
    scored: Provenance

    @property
    def primary(self) -> Score:
        """The score that the run is quoted by."""
        return self.scores[0]

    @property
    def is_whole_benchmark(self) -> bool:
        """Whether the rows are as many as the published set has."""
        return self.num_rows == self.num_published_rows


def build_result(
    task: Task,
    generations: Generations,
    scores: Sequence[Score],
    bootstrap: BootstrapSettings,
    scored: Provenance,
) -> Result:
    """Gather one run's scores with everything they depend on.

    Args:
        task: The rows that were scored.
        generations: The answers.
        scores: Estimates, the primary one first.
        bootstrap: How intervals were drawn.
        scored: Where and when scoring ran.

    Returns:
        The result.
    """
    rows = [generations.rows[record.key] for record in task.records]
    p50_ms, p95_ms = np.percentile([row.latency_ms for row in rows], [50, 95])
    return Result(
        settings=generations.settings,
        scores=tuple(scores),
        rules={rule.name: rule.description for rule in task.rules},
        slices={part.name: part.description for part in task.slices},
        bootstrap=bootstrap,
        num_rows=len(rows),
        num_published_rows=task.num_published_rows,
        prompts_sha256=_join_hashes(row.prompt_sha256 for row in rows),
        rendered_sha256=_join_rendered(rows),
        generations_sha256=hash_files([generations.path]),
        latency=Latency(round(float(p50_ms), 1), round(float(p95_ms), 1)),
        finish_reasons=dict(sorted(Counter(row.finish_reason for row in rows).items())),
        generated=tuple(session.provenance for session in generations.sessions),
        scored=scored,
    )


def flatten_result(result: Result) -> dict[str, Any]:
    """Return the result as one JSON object, the primary score's numbers at the top."""
    primary = result.primary
    return {
        "version": RESULT_VERSION,
        "task": result.settings.task,
        "subset": result.settings.subset,
        "model": result.settings.model,
        "rule": primary.rule,
        **asdict(primary.estimate),
        "scorer_version": SCORER_VERSION,
        "interval": {"method": METHOD, **asdict(result.bootstrap)},
        "scores": [_flatten_score(score) for score in result.scores],
        "rules": result.rules,
        "slices": result.slices,
        "is_whole_benchmark": result.is_whole_benchmark,
        "num_published_rows": result.num_published_rows,
        "settings": asdict(result.settings),
        "decoding": "greedy",
        "prompts_sha256": result.prompts_sha256,
        "rendered_sha256": result.rendered_sha256,
        "generations_sha256": result.generations_sha256,
        "latency": asdict(result.latency),
        "finish_reasons": result.finish_reasons,
        "generated": [asdict(provenance) for provenance in result.generated],
        "scored": asdict(result.scored),
    }


def append_result(directory: Path, line: dict[str, Any]) -> Path:
    """Append one result line to the file of its task, unless it stands there already.

    Scoring the same answers twice by the same version finds the same numbers; they are not
    published twice.

    Args:
        directory: Where result files lie.
        line: From flatten_result.

    Returns:
        The file.
    """
    path = directory / f"{line['task']}.jsonl"
    directory.mkdir(parents=True, exist_ok=True)
    if not any(_is_same_result(line, other) for other in _read_results(path)):
        append_line(path, line)
    return path


def _flatten_score(score: Score) -> dict[str, Any]:
    return {
        "rule": score.rule,
        "slice": score.slice,
        "language": score.language,
        **asdict(score.estimate),
    }


def _is_same_result(line: dict[str, Any], other: dict[str, Any]) -> bool:
    names = ("generations_sha256", "scorer_version", "interval")
    return all(line[name] == other.get(name) for name in names)


def _read_results(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def _join_hashes(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _join_rendered(rows: Sequence[Generation]) -> str | None:
    hashes = [row.rendered_sha256 for row in rows if row.rendered_sha256 is not None]
    return _join_hashes(hashes) if len(hashes) == len(rows) else None
