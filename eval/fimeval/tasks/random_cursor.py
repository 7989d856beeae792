"""Random cursor: the rest of a line behind a cursor at any character of HumanEval's solutions.

Editors ask where the user happens to be, in the middle of a word, an operator or an indentation;
benchmarks mostly ask at line starts. This one shows what token healing is worth. It is made from
the single-line file of HumanEval-Infilling, whose rows tell where each solution begins: every
character of a solution that is not behind the last text of its line may hold the cursor, each
problem has six at most. Hole and answer are the rest of that line.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fimeval.data_file import DataRow, load_data_file
from fimeval.records import Record, RowKey
from fimeval.rules import Rule, match_line_stripped, match_rest_of_line
from fimeval.task import ALL_ROWS, Slice, Task, check_unique_keys
from fimeval.tasks.humaneval_infilling import FIELDS, find_problem

CURSORS_PER_PROBLEM = 6
SEED = 0
"""Part of the task: another one would be another benchmark."""
TASK_ID_START = "SingleLineInfilling/"

RULES = (
    Rule.of_texts(
        "rest-of-line",
        "cut at the first newline; equal but for blanks at the end",
        match_rest_of_line,
    ),
    Rule.of_texts(
        "line-stripped",
        "cut at the first newline after the first non-blank text; equal after strip()",
        match_line_stripped,
    ),
)


def is_in_word(record: Record) -> bool:
    """Return whether the cursor splits a word."""
    return _is_of_word(record.prefix[-1]) and _is_of_word(record.reference[0])


def is_in_indentation(record: Record) -> bool:
    """Return whether there are only blanks before the cursor on its line."""
    return not record.prefix.rpartition("\n")[2].strip()


def is_behind_blank(record: Record) -> bool:
    """Return whether a blank is before the cursor, and text before that."""
    return record.prefix[-1].isspace() and not is_in_indentation(record)


def is_elsewhere(record: Record) -> bool:
    """Return whether the cursor is behind a word's end or a sign."""
    return not (is_in_word(record) or is_in_indentation(record) or is_behind_blank(record))


SLICES = (
    ALL_ROWS,
    Slice("in-word", "letters, digits or underscores on both sides of the cursor", is_in_word),
    Slice("behind-blank", "a blank before the cursor, and text before that", is_behind_blank),
    Slice("in-indentation", "only blanks before the cursor on its line", is_in_indentation),
    Slice("elsewhere", "behind the end of a word, or behind a sign", is_elsewhere),
)


@dataclass(frozen=True, slots=True)
class _Program:
    problem: str
    text: str
    start: int
    """Where the solution begins."""


def load_random_cursor(path: Path) -> Task:
    """Read the single-line file of HumanEval-Infilling and put cursors into its solutions.

    Args:
        path: The `.jsonl` or `.jsonl.gz` file.

    Returns:
        The task; the same file gives the same cursors.
    """
    data = load_data_file(path, FIELDS)
    records = tuple(
        record for program in _read_programs(data.rows) for record in _place_cursors(program)
    )
    check_unique_keys(path, records)
    return Task(
        name="random-cursor",
        subset="humaneval",
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=RULES,
        slices=SLICES,
        max_tokens=64,
        num_published_rows=164 * CURSORS_PER_PROBLEM,
    )


def _read_programs(rows: tuple[DataRow, ...]) -> list[_Program]:
    """Return each problem's program once, with the solution's first line as where it begins.

    That line's row has the program as it is; others lack a blank line here and there.
    """
    programs: dict[str, _Program] = {}
    for row in rows:
        fields = row.fields
        problem = find_problem(fields["task_id"])
        if problem is None or not fields["task_id"].startswith(TASK_ID_START):
            raise row.refuse(
                f"task_id {fields['task_id']!r} is not {TASK_ID_START}HumanEval/0/...; "
                "use the single-line file of HumanEval-Infilling"
            )
        text = fields["prompt"] + fields["canonical_solution"] + fields["suffix"]
        program = _Program(problem, text, start=len(fields["prompt"]))
        if program.start <= programs.setdefault(problem, program).start:
            programs[problem] = program
    return list(programs.values())


def _place_cursors(program: _Program) -> Iterator[Record]:
    text = program.text
    places = [i for i in range(max(1, program.start), len(text)) if _rest_of_line(text, i).strip()]
    dice = random.Random(f"{SEED}/{program.problem}")
    for place in sorted(dice.sample(places, min(CURSORS_PER_PROBLEM, len(places)))):
        rest = _rest_of_line(text, place)
        yield Record(
            key=RowKey(f"RandomCursor/HumanEval/{program.problem}/C{place}", "python"),
            cluster=program.problem,
            prefix=text[:place],
            suffix=text[place + len(rest) :],
            reference=rest,
        )


def _rest_of_line(text: str, place: int) -> str:
    return text[place:].partition("\n")[0]


def _is_of_word(char: str) -> bool:
    return char.isalnum() or char == "_"
