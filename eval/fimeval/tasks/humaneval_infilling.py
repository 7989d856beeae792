"""HumanEval-Infilling: a hole in the solution of one of 164 Python problems.

The file's kind comes from its task ids, never from its name (the official loader names files that
do not exist). Single-line rows end their prefix with a newline, so the answer is a whole line and
may be cut after one; random spans begin and end inside tokens and are compared as they are.
Scored here by exact match; the published figure is pass@1 by execution.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from fimeval.data_file import DataFile, DataRow, load_data_file
from fimeval.errors import DataFileError
from fimeval.records import Record, RowKey
from fimeval.rules import (
    Rule,
    match_exact,
    match_line_indented,
    match_line_stripped,
    match_stripped,
)
from fimeval.task import ALL_ROWS, Task, check_unique_keys

FIELDS = ("task_id", "entry_point", "prompt", "suffix", "canonical_solution", "test")

TASK_ID = re.compile(r"(?P<kind>\w+)/HumanEval/(?P<problem>\d+)/\w+")

OWN_STOP_STRIPPED = Rule(
    "own-stop-stripped",
    "whole text up to the model's own end token; equal after strip()",
    match_stripped,
)

SINGLE_LINE_RULES = (
    Rule(
        "line-stripped",
        "cut at the first newline after the first non-blank text; equal after strip()",
        match_line_stripped,
    ),
    Rule(
        "line-indented",
        "first non-blank line; equal after rstrip(), so indentation counts",
        match_line_indented,
    ),
    OWN_STOP_STRIPPED,
)

RANDOM_SPAN_RULES = (
    Rule(
        "own-stop-exact",
        "whole text up to the model's own end token; equal character by character",
        match_exact,
    ),
    OWN_STOP_STRIPPED,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    subset: str
    rules: tuple[Rule, ...]
    max_tokens: int
    num_published_rows: int
    is_whole_line: bool


_KINDS = {
    "SingleLineInfilling": _Kind("single-line", SINGLE_LINE_RULES, 64, 1033, True),
    # The longest answer of the light set has 417 characters: 64 tokens could not hold it.
    "RandomSpanInfilling": _Kind("random-span", RANDOM_SPAN_RULES, 256, 1640, False),
    "RandomSpanInfillingLight": _Kind("random-span-light", RANDOM_SPAN_RULES, 256, 164, False),
}


def load_humaneval_infilling(path: Path) -> Task:
    """Read a single-line or random-span file of HumanEval-Infilling.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file with rows of one kind.

    Returns:
        The task; its subset is single-line, random-span or random-span-light.
    """
    data = load_data_file(path, FIELDS)
    kind = _find_kind(data)
    records = tuple(_read_record(row, kind) for row in data.rows)
    check_unique_keys(path, records)
    return Task(
        name="humaneval-infilling",
        subset=kind.subset,
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=kind.rules,
        slices=(ALL_ROWS,),
        max_tokens=kind.max_tokens,
        num_published_rows=kind.num_published_rows,
    )


def find_problem(task_id: str) -> str | None:
    """Return the number of the HumanEval problem, the cluster of a row; None for other ids."""
    match = TASK_ID.fullmatch(task_id)
    return match["problem"] if match else None


def _find_kind(data: DataFile) -> _Kind:
    names = {_kind_name(row) for row in data.rows}
    if len(names) > 1:
        raise DataFileError(
            f"{data.path} mixes rows of {' and '.join(sorted(names))}; give one file per kind"
        )
    return _KINDS[names.pop()]


def _kind_name(row: DataRow) -> str:
    task_id = row.fields["task_id"]
    match = TASK_ID.fullmatch(task_id)
    if match is None or match["kind"] not in _KINDS:
        known = ", ".join(f"{name}/HumanEval/0/..." for name in _KINDS)
        raise row.refuse(f"task_id {task_id!r} is of no known kind; expected {known}")
    return match["kind"]


def _read_record(row: DataRow, kind: _Kind) -> Record:
    fields = row.fields
    problem = find_problem(fields["task_id"])
    assert problem is not None  # _find_kind has matched every task_id
    if kind.is_whole_line and not fields["prompt"].endswith("\n"):
        raise row.refuse(
            "the prompt of a single-line row must end with a newline, for its answer is a whole "
            "line; use the unchanged benchmark file"
        )
    return Record(
        key=RowKey(fields["task_id"], "python"),
        cluster=problem,
        prefix=fields["prompt"],
        suffix=fields["suffix"],
        reference=fields["canonical_solution"],
    )
