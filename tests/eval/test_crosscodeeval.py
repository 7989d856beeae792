"""CrossCodeEval: the published task never sees the right side, ours does."""

from pathlib import Path

import pytest

from fimeval.errors import DataFileError
from fimeval.references import check_references
from fimeval.tasks import load_task
from support.fim_rows import write_rows
from support.shared import shared_file


def make_row(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "prompt": "x = ",
        "groundtruth": "store.load(name)",
        "right_context": "\nprint(x)\n",
        "metadata": {"task_id": "project_cc_python/1", "repository": "o-n-abc", "file": "a.py"},
        "crossfile_context": {
            "text": "# from store.py\n# def load(name):",
            "list": [{"retrieved_chunk": "def load(name):", "filename": "store.py", "score": 1.0}],
        },
    }
    return row | changes


def test_the_published_task_puts_context_ahead_and_hides_the_right_side(tmp_path: Path) -> None:
    record = load_task("cceval", write_rows(tmp_path / "d.jsonl", [make_row()])).records[0]
    assert record.prefix == "# from store.py\n# def load(name):\nx = "
    assert (record.suffix, record.snippets) == ("", ())
    assert (record.cluster, record.key.language) == ("o-n-abc", "python")


def test_the_infilling_task_shows_both_sides_and_snippets(tmp_path: Path) -> None:
    record = load_task("cceval-fim", write_rows(tmp_path / "d.jsonl", [make_row()])).records[0]
    assert (record.prefix, record.suffix) == ("x = ", "\nprint(x)\n")
    assert [(piece.path, piece.text) for piece in record.snippets] == [
        ("store.py", "def load(name):")
    ]


def test_rows_without_context_make_another_subset(tmp_path: Path) -> None:
    row = make_row(crossfile_context=None)
    assert load_task("cceval", write_rows(tmp_path / "d.jsonl", [row])).subset == "no-retrieval"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"metadata": None}, "metadata needs task_id"),
        ({"metadata": {"task_id": "ruby/1", "repository": "r"}}, "names no known language"),
        ({"crossfile_context": {"text": "t", "list": ["a"]}}, "of another shape"),
        ({"crossfile_context": {"text": 1, "list": []}}, "no text"),
    ],
)
def test_rows_of_another_shape_are_refused(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(DataFileError, match=f"line 1: .*{complaint}"):
        load_task("cceval", write_rows(tmp_path / "d.jsonl", [make_row(**changes)]))


def test_scores_by_hand(tmp_path: Path) -> None:
    task = load_task("cceval", write_rows(tmp_path / "d.jsonl", [make_row()]))
    rules = {rule.name: rule for rule in task.rules}
    record = task.records[0]
    answer = "store.load(key)\ny = 1"
    scores = {name: rule.score(answer, record) for name, rule in rules.items()}
    assert scores["official-em"] == 0.0
    assert scores["official-id-em"] == 0.0
    assert scores["official-id-f1"] == pytest.approx(2 * 2 / 6)
    # 12 of 15 and of 16 characters are kept: 2 * 13 / 31 with the common "e" of key and name.
    assert scores["official-es"] == 0.84
    assert rules["official-em"].score("store.load(name)  # it\nmore", record) == 1.0


@pytest.mark.shared
@pytest.mark.parametrize("name", ["cceval", "cceval-fim"])
@pytest.mark.parametrize(("file", "num_rows"), [("python_sample100", 100), ("java_sample8", 8)])
def test_references_of_the_sample_score_under_every_rule(
    name: str, file: str, num_rows: int
) -> None:
    path = shared_file(f"data/eval/crosscodeeval-sample/{file}.jsonl.gz")
    checks = check_references(load_task(name, path))
    assert [check for check in checks if not check.is_right] == []
    assert {(check.num_rows, check.num_cut) for check in checks} == {(num_rows, 0)}
