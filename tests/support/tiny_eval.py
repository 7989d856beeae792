"""Evaluation data as `decontamination.json` describes it: one benchmark of one record."""

import gzip
import json
from pathlib import Path

LISTED_REPOSITORY = "bench/benchmark"

RECORD = {
    "prompt": "def rolling_maximum(numbers):\n    running = None\n    maxima = []\n    ",
    "canonical_solution": "for number in numbers:\n        running = pick(running, number)\n",
    "suffix": "        maxima.append(running)\n    return maxima\n",
}

_FIELDS = {"prefix": "prompt", "answer": "canonical_solution", "suffix": "suffix"}


def record_text() -> str:
    """Return the benchmark's problem with its answer in place."""
    return RECORD["prompt"] + RECORD["canonical_solution"] + RECORD["suffix"]


def write_tiny_eval(
    directory: Path, record: dict[str, str] = RECORD, fields: dict[str, str] = _FIELDS
) -> Path:
    """Write the list and its only file.

    Args:
        directory: Where to write; created if absent.
        record: The benchmark's only problem.
        fields: How prefix, answer and suffix stand in a record.

    Returns:
        The directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    listing = {
        "repositories": [LISTED_REPOSITORY],
        "by_file": {"set.jsonl.gz": {"text": fields}},
    }
    (directory / "decontamination.json").write_text(json.dumps(listing), encoding="utf-8")
    with gzip.open(directory / "set.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write(json.dumps(record) + "\n")
    return directory
