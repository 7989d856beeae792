"""HumanEval-Infilling: kinds, clusters, and the score of hand-made answers under every rule."""

from pathlib import Path

import pytest

from fimeval.errors import DataFileError
from fimeval.references import check_references
from fimeval.task import Task, with_execution
from fimeval.tasks import load_task
from fimeval.tasks.humaneval_infilling import find_problem
from support.fim_rows import random_span_row, single_line_row, write_rows
from support.shared import shared_file

NAME = "humaneval-infilling"


def score(task: Task, completion: str) -> dict[str, float]:
    """Return the score of one completion of the first row under every rule."""
    return {rule.name: rule.score(completion, task.records[0]) for rule in task.rules}


@pytest.mark.parametrize(
    ("completion", "by_line", "by_indent", "by_own_stop"),
    [
        ("    return x\n", 1.0, 1.0, 1.0),  # the reference itself
        ("    return x\n\n\ndef g():\n", 1.0, 1.0, 0.0),  # right line, the model ran on
        ("\n    return x", 1.0, 1.0, 1.0),  # a blank line first
        ("return x\n", 1.0, 0.0, 1.0),  # right text, wrong indentation
        ("    return  x\n", 0.0, 0.0, 0.0),
        ("    y = x\n    return x\n", 0.0, 0.0, 0.0),  # right, but in another first line
        ("", 0.0, 0.0, 0.0),
        ("\n\n", 0.0, 0.0, 0.0),
    ],
)
def test_single_line_rules(
    tmp_path: Path, completion: str, by_line: float, by_indent: float, by_own_stop: float
) -> None:
    task = load_task(NAME, write_rows(tmp_path / "d.jsonl", [single_line_row(0, 5)]))
    assert task.subset == "single-line"
    assert task.max_tokens == 64
    assert score(task, completion) == {
        "line-stripped": by_line,
        "line-indented": by_indent,
        "own-stop-stripped": by_own_stop,
    }


@pytest.mark.parametrize(
    ("completion", "exact", "stripped"),
    [
        ("[:-1]:\n        a(n)", 1.0, 1.0),
        ("[:-1]:\n        a(n)\n", 0.0, 1.0),
        ("[:-1]:", 0.0, 0.0),  # the first line alone: no cut is made, none is forgiven
        ("[:-1]:\n        a(n)\n    b()", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_random_span_rules(tmp_path: Path, completion: str, exact: float, stripped: float) -> None:
    row = random_span_row(5, "[:-1]:\n        a(n)")
    task = load_task(NAME, write_rows(tmp_path / "d.jsonl", [row]))
    assert task.subset == "random-span-light"
    assert score(task, completion) == {"own-stop-exact": exact, "own-stop-stripped": stripped}


def test_kind_comes_from_task_ids_and_not_from_the_file_name(tmp_path: Path) -> None:
    # The official loader names HumanEval-RandomSpan.jsonl.gz, which does not exist.
    row = random_span_row(3, "x", kind="RandomSpanInfilling")
    path = write_rows(tmp_path / "HumanEval-SingleLineInfilling.jsonl.gz", [row])
    assert load_task(NAME, path).subset == "random-span"


@pytest.mark.parametrize(
    ("task_id", "problem"),
    [
        ("SingleLineInfilling/HumanEval/0/L0", "0"),
        ("RandomSpanInfilling/HumanEval/163/10", "163"),
        ("RandomSpanInfillingLight/HumanEval/12/1", "12"),
        ("MultiLineInfilling/HumanEval/7/L0_L3", "7"),
        ("SingleLineInfilling/HumanEval/x/L0", None),
        ("HumanEval/7", None),
    ],
)
def test_cluster_is_the_problem_number(task_id: str, problem: str | None) -> None:
    assert find_problem(task_id) == problem


def test_a_record_carries_the_row(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", [single_line_row(17, 2)])
    record = load_task(NAME, path).records[0]
    assert record.key == ("SingleLineInfilling/HumanEval/17/L2", "python")
    assert record.cluster == "17"
    assert record.prefix.endswith("# 17 2\n")
    assert record.suffix == "\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [single_line_row(0, 0) | {"task_id": "NoSuchInfilling/HumanEval/0/L0_L1"}],
            "line 1: task_id 'NoSuchInfilling/HumanEval/0/L0_L1' is of no known kind",
        ),
        (
            [single_line_row(0, 0), random_span_row(0, "x")],
            "mixes rows of RandomSpanInfillingLight and SingleLineInfilling",
        ),
        ([single_line_row(0, 0), single_line_row(0, 0)], "occurs twice"),
        (
            [single_line_row(0, 0), single_line_row(0, 1) | {"prompt": "def f():"}],
            "line 2: the prompt of such a row must end with a newline",
        ),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(DataFileError, match=message):
        load_task(NAME, write_rows(tmp_path / "d.jsonl", rows))


def test_another_right_line_passes_by_execution_alone(tmp_path: Path) -> None:
    row = single_line_row(0, 1)
    task = with_execution(load_task("humaneval-infilling", write_rows(tmp_path / "d.jsonl", [row])))
    scores = score(task, "    return 0 + x\ndef more(): (")
    assert (scores["line-stripped"], scores["line-pass"], scores["own-stop-pass"]) == (
        0.0,
        1.0,
        0.0,
    )
    assert score(task, "    return x + 1\n")["line-pass"] == 0.0


@pytest.mark.shared
@pytest.mark.parametrize("name", ["SingleLineInfilling", "RandomSpanInfillingLight"])
def test_references_pass_their_tests(name: str) -> None:
    path = shared_file(f"data/eval/humaneval-infilling/HumanEval-{name}.jsonl.gz")
    task = with_execution(load_task("humaneval-infilling", path, 20))
    checks = [check for check in check_references(task) if check.rule.endswith("pass")]
    assert checks
    assert [check.is_right for check in checks] == [True] * len(checks)


def test_multi_line_files_are_scored_by_execution(tmp_path: Path) -> None:
    row = single_line_row(0, 1, "    y = x\n    return y\n")
    row["task_id"] = "MultiLineInfilling/HumanEval/0/L1_L2"
    task = with_execution(load_task(NAME, write_rows(tmp_path / "d.jsonl", [row])))
    assert task.subset == "multi-line"
    assert score(task, "    return x\n") == {"own-stop-stripped": 0.0, "own-stop-pass": 1.0}
