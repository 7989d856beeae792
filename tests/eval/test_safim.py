"""SAFIM: cuts as published, clusters, kinds, and the rule by execution."""

from pathlib import Path

import pytest

from fimeval.errors import DataFileError, EvalError
from fimeval.records import Record
from fimeval.references import check_references
from fimeval.task import take_first_rows, with_execution
from fimeval.tasks import load_task
from fimeval.tasks.safim import cut_block, cut_call, cut_control, match_call
from support.fim_rows import write_rows
from support.shared import shared_file

CODE = "n = int(input())\r\nfor i in range(n):\r\n    {{completion}}\r\nprint(n)\r\n"


def make_row(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "task_id": "block_completion_000001",
        "lang": "python",
        "prompt": "Complete the code in python to solve this programming problem:\n\n"
        "Description: Add.\n\nCode:\n\n" + CODE.replace("{{completion}}", "# TODO: Your code here"),
        "eval_prompt": CODE,
        "ground_truth": "print(i)\r\n    n = i",
        "unit_tests": [{"input": "2\r\n", "output": ["0\r\n1\r\n1\r\n"]}],
    }
    return row | changes


def read_row(tmp_path: Path, **changes: object) -> Record:
    path = write_rows(tmp_path / "d.jsonl", [make_row(**changes)])
    return load_task("safim", path).records[0]


def test_the_statement_is_part_of_the_prefix_and_line_ends_stay(tmp_path: Path) -> None:
    record = read_row(tmp_path)
    assert record.prefix.startswith("Complete the code in python")
    assert record.prefix.endswith("range(n):\r\n    ")
    assert record.suffix == "\r\nprint(n)\r\n"
    assert record.program is not None
    assert record.program.fill("pass") == CODE.replace("{{completion}}", "pass")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("print(i)\r\n    n = i", "print(i)\r\n    n = i"),
        ("print(i)\nprint(n)\nfor x in (", "print(i)\n"),
        ("for x in (", ""),
        ("", ""),
    ],
)
def test_a_block_is_cut_where_the_program_fits(tmp_path: Path, text: str, kept: str) -> None:
    assert cut_block(text, read_row(tmp_path)) == kept


def test_a_control_expression_ends_at_its_line_or_parenthesis(tmp_path: Path) -> None:
    python = read_row(tmp_path)
    assert cut_control("\n  x in y:\n    z", python) == "  x in y:"
    cpp = read_row(
        tmp_path,
        lang="cpp",
        prompt="for (/* TODO: Your code here */) {}",
        eval_prompt="for ({{completion}}) {}",
    )
    assert cut_control("int i = f(0); i < n; i++) { g();", cpp) == "int i = f(0); i < n; i++"
    assert cut_control("no end", cpp) == "no end"


def test_a_call_ends_with_its_parenthesis(tmp_path: Path) -> None:
    record = read_row(tmp_path)
    assert cut_call("f(a, g(b)).h(c)", record) == "f(a, g(b))"
    assert cut_call("name", record) == "name"


@pytest.mark.parametrize(
    ("text", "reference", "language", "is_right"),
    [
        ("f( a,\n b )", "f(a, b)", "cpp", 1.0),
        ("f(a, k=1, j=2)", "f(a, j=2, k=1)", "python", 1.0),
        ("g(a)", "f(a)", "python", 1.0),  # as published: the arguments alone are compared
        ("g(a)", "f(a)", "java", 0.0),
        ("f('a b')", "f('ab')", "cpp", 1.0),  # as published: white space in strings goes too
        ("f(", "f(a)", "python", 0.0),
    ],
)
def test_calls_are_compared_as_published(
    text: str, reference: str, language: str, is_right: float
) -> None:
    assert match_call(text, reference, language) == is_right


def test_another_right_answer_passes_by_execution_alone(tmp_path: Path) -> None:
    task = load_task("safim", write_rows(tmp_path / "d.jsonl", [make_row()]))
    assert [rule.name for rule in task.rules] == ["match", "own-stop"]
    rules = {rule.name: rule for rule in with_execution(task).rules}
    answer, record = "m = i\r\n    print(m); n = m", task.records[0]
    assert rules["match"].score(answer, record) == 0.0
    assert rules["pass"].score(answer, record) == 1.0
    assert rules["pass"].score("print(n)\r\n    n = i", record) == 0.0
    assert rules["pass"].score("", record) == 0.0


def test_calls_are_told_by_their_lack_of_tests_and_not_executed(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", [make_row(unit_tests=[], ground_truth="f(a)")])
    task = load_task("safim", path)
    assert task.subset == "api"
    with pytest.raises(EvalError, match="not scored by execution"):
        with_execution(task)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lang": "ruby"}, "lang 'ruby' is unknown"),
        ({"prompt": "no hole"}, "prompt has .* 0 times"),
        ({"eval_prompt": "{{completion}}{{completion}}"}, "eval_prompt has .* 2 times"),
        ({"unit_tests": ["x"]}, "unit_tests are of another shape"),
        ({"task_id": "word_1"}, "task_id 'word_1' is of no known kind"),
    ],
)
def test_rows_of_another_shape_are_refused(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(DataFileError, match=f"line 1: {complaint}"):
        read_row(tmp_path, **changes)


def test_kinds_are_not_mixed(tmp_path: Path) -> None:
    rows = [make_row(), make_row(task_id="control_completion_1")]
    with pytest.raises(DataFileError, match="mixes rows of block and control"):
        load_task("safim", write_rows(tmp_path / "d.jsonl", rows))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("subset", "num_rows", "num_clusters", "num_cut"),
    [("block", 150, 7, 1), ("control", 1731, 92, 7), ("api", 163, 26, 7)],
)
def test_references_of_the_real_files_score(
    subset: str, num_rows: int, num_clusters: int, num_cut: int
) -> None:
    path = shared_file(f"data/eval/safim/{subset}_completion_dev.jsonl.gz")
    task = load_task("safim", path, 150 if subset == "block" else None)
    assert task.subset == subset
    assert len({record.cluster for record in task.records}) == num_clusters
    match, own_stop = check_references(task)
    assert (match.is_right, own_stop.is_right) == (True, True)
    # The published cut spoils a few references: a parenthesis in a string, for one.
    assert (match.num_rows, match.num_cut, own_stop.num_cut) == (num_rows, num_cut, 0)


@pytest.mark.shared
def test_references_of_python_pass_their_unit_tests() -> None:
    task = load_task("safim", shared_file("data/eval/safim/control_completion_dev.jsonl.gz"))
    python = [record for record in task.records if record.key.language == "python"]
    rule = with_execution(take_first_rows(task, None)).rules[-1]
    # A blank behind it makes the answer another text than the reference, so it is really run.
    assert [rule.score(record.reference + " ", record) for record in python[:20]] == [1.0] * 20
