"""The three files of a run, side by side in one directory, and the steps from one to the next.

generations.jsonl   raw answers          (fimeval.generate)
scores.jsonl        scores of every row  (fimeval.score)
report.json         the result           (fimeval.report)
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fimeval.bootstrap import BootstrapSettings
from fimeval.errors import GenerationsError
from fimeval.generations import Generations, load_generations
from fimeval.provenance import describe_provenance
from fimeval.report import Result, build_result, flatten_result
from fimeval.score import check_generations, estimate_scores, score_rows, write_scores
from fimeval.task import Task, with_execution
from fimeval.tasks import load_task

GENERATIONS_FILE = "generations.jsonl"
SCORES_FILE = "scores.jsonl"
REPORT_FILE = "report.json"


def score_file(
    path: Path,
    data_path: Path | None,
    bootstrap: BootstrapSettings,
    execute: bool = False,
    on_progress: Callable[[int], None] = lambda num_done: None,
) -> Result:
    """Score a whole generations file and write scores and report beside it.

    Args:
        path: The generations file.
        data_path: The benchmark file; None takes it from where generation found it.
        bootstrap: How intervals are drawn.
        execute: Whether the programs are run too, for the rules that need it.
        on_progress: Called with the number of scored rows.

    Returns:
        The result.
    """
    generations = load_generations(path)
    task = find_task(generations, data_path)
    check_generations(task, generations)
    if execute:
        task = with_execution(task)
    texts = {key: row.text for key, row in generations.rows.items()}
    rows = score_rows(task, texts, on_progress)
    write_scores(path.with_name(SCORES_FILE), rows)
    scores = estimate_scores(task, rows, bootstrap)
    result = build_result(task, generations, scores, bootstrap, describe_provenance())
    report = json.dumps(flatten_result(result), indent=2) + "\n"
    path.with_name(REPORT_FILE).write_text(report, encoding="utf-8")
    return result


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Return the scores of every row that were written beside a generations file."""
    lines = path.with_name(SCORES_FILE).read_text(encoding="utf-8").split("\n")
    found = [json.loads(line) for line in lines if line]
    return [line for line in found if line["record"] == "score"]


def find_task(generations: Generations, data_path: Path | None) -> Task:
    """Return the task that a generations file answers.

    Args:
        generations: The file.
        data_path: The benchmark file; None takes it from where generation found it.

    Returns:
        The task with the rows that were asked.
    """
    settings = generations.settings
    return load_task(settings.task, data_path or _find_data(generations), settings.limit)


def _find_data(generations: Generations) -> Path:
    if not generations.sessions:
        raise GenerationsError(f"{generations.path} names no benchmark file; give --data")
    path = Path(generations.sessions[-1].data_path)
    if not path.exists():
        raise GenerationsError(f"the benchmark file {path} is not there any more; give --data")
    return path
