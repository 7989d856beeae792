"""Random cursor: where cursors may stand, what the answers are, and which slice they belong to."""

from pathlib import Path

import pytest

from fimeval.errors import DataFileError
from fimeval.rules import match_rest_of_line
from fimeval.tasks import load_task
from fimeval.tasks.random_cursor import CURSORS_PER_PROBLEM, SLICES
from support.fim_rows import random_span_row, single_line_row, write_rows

NAME = "random-cursor"
HEAD = 'def f(xs):\n    """Sum up."""\n'
BODY = [
    "    total = 0\n",
    "\n",
    "    for x in xs:\n",
    "        total += x  \n",
    "    return total\n",
]


def rows_of(problem: int, body: list[str] = BODY) -> list[dict[str, str]]:
    """Return the rows of one problem: each line with text is a hole once."""
    return [
        single_line_row(problem, i, line)
        | {"prompt": HEAD + "".join(body[:i]), "suffix": "".join(body[i + 1 :])}
        for i, line in enumerate(body)
        if line.strip()
    ]


def test_answers_are_rests_of_lines_of_the_solution(tmp_path: Path) -> None:
    rows = [*reversed(rows_of(1)), *rows_of(2)]
    task = load_task(NAME, write_rows(tmp_path / "d.jsonl.gz", rows))
    assert len(task.records) == 2 * CURSORS_PER_PROBLEM
    assert [record.cluster for record in task.records] == ["1"] * 6 + ["2"] * 6
    for record in task.records:
        assert record.prefix + record.reference + record.suffix == HEAD + "".join(BODY)
        assert len(record.prefix) >= len(HEAD)
        assert record.reference.strip()
        assert "\n" not in record.reference
        assert record.suffix.startswith("\n")
        assert record.key.task_id.endswith(f"/C{len(record.prefix)}")


def test_the_same_file_gives_the_same_cursors_and_problems_their_own(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", [*rows_of(1), *rows_of(2)])
    first, second = load_task(NAME, path), load_task(NAME, path)
    assert first.records == second.records
    places = [len(record.prefix) for record in first.records]
    assert places[:6] == sorted(set(places[:6]))
    assert places[:6] != places[6:]


def test_a_short_solution_has_a_cursor_at_each_place(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", rows_of(1, [" x\n"]))
    task = load_task(NAME, path)
    assert [record.reference for record in task.records] == [" x", "x"]


def test_every_row_is_in_one_slice_beside_all(tmp_path: Path) -> None:
    rows = [row for problem in range(30) for row in rows_of(problem)]
    task = load_task(NAME, write_rows(tmp_path / "d.jsonl", rows))
    found = {part.name: [r for r in task.records if part.keeps(r)] for part in SLICES}
    assert all(sum(record in found[p.name] for p in SLICES[1:]) == 1 for record in task.records)
    splits = {r.prefix[-1] + r.reference[0] for r in found["in-word"]}
    assert splits <= {"to", "ot", "ta", "al", "fo", "or", "in", "xs", "re", "et", "tu", "ur", "rn"}
    assert all(r.prefix.rpartition("\n")[2].strip() == "" for r in found["in-indentation"])
    assert all(r.prefix[-1] == " " for r in found["behind-blank"])


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        ("tal += x", 1.0),
        ("tal += x  \n        y", 1.0),
        (" tal += x", 0.0),
        ("\ntal += x", 0.0),
        ("tal += xs", 0.0),
        ("", 0.0),
    ],
)
def test_the_rest_must_begin_at_the_cursor(completion: str, score: float) -> None:
    assert match_rest_of_line(completion, "tal += x  ") == score


def test_another_file_is_refused(tmp_path: Path) -> None:
    spans = write_rows(tmp_path / "spans.jsonl", [random_span_row(1, "x")])
    with pytest.raises(DataFileError, match="use the single-line file"):
        load_task(NAME, spans)
