"""HumanEval-Infilling: a hole in the solution of one of 164 Python problems.

The file's kind comes from its task ids, never from its name (the official loader names files that
do not exist). Single-line rows end their prefix with a newline, so the answer is a whole line and
may be cut after one; random spans begin and end inside tokens and are compared as they are.
Scored by exact match and, where it is asked for, as published: pass@1 by execution.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from fimeval.data_file import DataFile, DataRow, load_data_file
from fimeval.errors import DataFileError
from fimeval.execution import passes
from fimeval.program import Case, Program
from fimeval.records import Record, RowKey
from fimeval.rules import (
    Rule,
    cut_after_first_line,
    match_exact,
    match_line_indented,
    match_line_stripped,
    match_stripped,
)
from fimeval.task import ALL_ROWS, Task, check_unique_keys

FIELDS = ("task_id", "entry_point", "prompt", "suffix", "canonical_solution", "test")

TASK_ID = re.compile(r"(?P<kind>\w+)/HumanEval/(?P<problem>\d+)/\w+")

OWN_STOP_STRIPPED = Rule.of_texts(
    "own-stop-stripped",
    "whole text up to the model's own end token; equal after strip()",
    match_stripped,
)


def _run(answer: str, row: Record) -> float:
    assert row.program is not None  # every row of this task is read with one
    return float(passes(row.program, answer))


LINE_PASS = Rule(
    "line-pass",
    "cut at the first newline after the first non-blank text; the program passes its test (pass@1)",
    # The newline that ends the answer was cut off with what followed it.
    lambda text, row: _run(cut_after_first_line(text) + "\n", row),
)
OWN_STOP_PASS = Rule(
    "own-stop-pass",
    "whole text up to the model's own end token; the program passes its test (pass@1)",
    _run,
)

SINGLE_LINE_RULES = (
    Rule.of_texts(
        "line-stripped",
        "cut at the first newline after the first non-blank text; equal after strip()",
        match_line_stripped,
    ),
    Rule.of_texts(
        "line-indented",
        "first non-blank line; equal after rstrip(), so indentation counts",
        match_line_indented,
    ),
    OWN_STOP_STRIPPED,
)

MULTI_LINE_RULES = (OWN_STOP_STRIPPED,)

RANDOM_SPAN_RULES = (
    Rule.of_texts(
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
    executed_rules: tuple[Rule, ...]
    max_tokens: int
    num_published_rows: int
    is_whole_line: bool


_KINDS = {
    "SingleLineInfilling": _Kind(
        "single-line", SINGLE_LINE_RULES, (LINE_PASS, OWN_STOP_PASS), 64, 1033, True
    ),
    "MultiLineInfilling": _Kind("multi-line", MULTI_LINE_RULES, (OWN_STOP_PASS,), 512, 5815, True),
    # The longest answer of the light set has 417 characters: 64 tokens could not hold it.
    "RandomSpanInfilling": _Kind(
        "random-span", RANDOM_SPAN_RULES, (OWN_STOP_PASS,), 256, 1640, False
    ),
    "RandomSpanInfillingLight": _Kind(
        "random-span-light", RANDOM_SPAN_RULES, (OWN_STOP_PASS,), 256, 164, False
    ),
}


def load_humaneval_infilling(path: Path) -> Task:
    """Read a file of HumanEval-Infilling.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file with rows of one kind.

    Returns:
        The task; its subset is single-line, multi-line, random-span or random-span-light.
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
        executed_rules=kind.executed_rules,
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
            "the prompt of such a row must end with a newline, for its answer is whole lines; "
            "use the unchanged benchmark file"
        )
    return Record(
        key=RowKey(fields["task_id"], "python"),
        cluster=problem,
        prefix=fields["prompt"],
        suffix=fields["suffix"],
        reference=fields["canonical_solution"],
        program=Program(
            language="python",
            before=fields["prompt"],
            after=f"{fields['suffix']}\n{fields['test']}\ncheck({fields['entry_point']})\n",
            cases=(Case("", ()),),
        ),
    )
