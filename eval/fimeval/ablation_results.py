"""What an ablation left behind, scored: for every base and regime the scores of each held-out row.

Units come from `python -m fimtraining.finetune.ablation`, rows are those of the task `repo`. Seeds
are averaged row by row, so that a row counts once however often a regime was trained.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fimeval.bootstrap import Floats
from fimeval.errors import GenerationsError
from fimeval.records import RowKey
from fimeval.score import score_rows
from fimeval.task import Task

RULES = ("stripped", "es")
"""Exact match, which decides, and edit similarity."""


@dataclass(frozen=True, slots=True)
class ScoredRegime:
    """One regime on one base in one context."""

    base: str
    regime: str
    context: str
    seeds: tuple[int, ...]
    num_parameters: int
    scores: Mapping[str, Floats]
    """Rule -> [N] score of each row, mean over seeds, in the order of the task."""
    seed_means: Mapping[str, tuple[float, ...]]
    """Rule -> mean of each seed, in the order of seeds."""


def load_units(directory: Path) -> list[dict[str, Any]]:
    """Read the units of an ablation.

    Args:
        directory: Holds results-*.jsonl.gz.

    Returns:
        The units by file and in their order there.

    Raises:
        GenerationsError: If there are none, or a file is damaged.
    """
    units: list[dict[str, Any]] = []
    for path in sorted(directory.glob("results-*.jsonl.gz")):
        try:
            text = gzip.decompress(path.read_bytes()).decode("utf-8")
            units += [json.loads(line) for line in text.split("\n") if line]
        except (OSError, EOFError, ValueError) as error:
            raise GenerationsError(f"{path} is damaged ({error}); run its units again") from error
    if not units:
        raise GenerationsError(
            f"{directory} holds no results-*.jsonl.gz; run fimtraining.finetune.ablation first"
        )
    return units


def score_units(units: Sequence[Mapping[str, Any]], task: Task) -> list[ScoredRegime]:
    """Score the answers of units.

    Args:
        units: From load_units.
        task: The held-out rows.

    Returns:
        One entry per base, regime and context, in the order of the units.

    Raises:
        GenerationsError: If answers are of another file or incomplete.
    """
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for unit in units:
        if unit["dev_sha256"] != task.data_sha256:
            raise GenerationsError(
                f"{unit['unit']} answers a file with SHA-256 {unit['dev_sha256']}; "
                f"{task.data_path} has {task.data_sha256}: give the one it was made from"
            )
        for context in unit["answers"]:
            groups[unit["base"], unit["regime"], context].append(unit)
    return [_score_group(key, group, task) for key, group in groups.items()]


def _score_group(
    key: tuple[str, str, str], group: Sequence[Mapping[str, Any]], task: Task
) -> ScoredRegime:
    base, regime, context = key
    by_seed = [_score_unit(unit, context, task) for unit in group]
    stacked = {rule: np.stack([scores[rule] for scores in by_seed]) for rule in RULES}  # [S, N]
    return ScoredRegime(
        base=base,
        regime=regime,
        context=context,
        seeds=tuple(unit["seed"] for unit in group),
        num_parameters=group[0]["num_parameters"],
        scores={rule: values.mean(axis=0) for rule, values in stacked.items()},
        seed_means={rule: tuple(values.mean(axis=1).tolist()) for rule, values in stacked.items()},
    )


def _score_unit(unit: Mapping[str, Any], context: str, task: Task) -> dict[str, Floats]:
    answers = unit["answers"][context]
    missing = [r.key.task_id for r in task.records if r.key.task_id not in answers]
    if missing:
        raise GenerationsError(f"{unit['unit']} has no answer to {missing[0]}; run it again")
    texts = {
        RowKey(record.key.task_id, record.key.language): answers[record.key.task_id]
        for record in task.records
    }
    rows = score_rows(task, texts)
    return {rule: np.array([row.scores[rule] for row in rows]) for rule in RULES}
