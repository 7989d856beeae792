"""The task `repo`: rows of mined spans, and the command that makes and runs them."""

import json
from pathlib import Path
from typing import Any

import pytest

from fimeval.data_file import load_data_file
from fimeval.errors import DataFileError
from fimeval.references import check_references
from fimeval.tasks import load_task
from support.cli import CommandLine
from support.completions_server import openai_body, serve_completions
from support.fim_rows import write_rows
from support.git_repositories import commit_files, make_repository
from support.source_texts import make_python


def make_row(number: int, kind: str = "call", **changes: Any) -> dict[str, Any]:
    row = {
        "task_id": f"o/n:a.py:{number}:{kind}",
        "repository": "o/n",
        "commit": "0" * 40,
        "path": f"a{number % 3}.py",
        "language": "python",
        "kind": kind,
        "line": number,
        "prefix": f"x{number} = ",
        "middle": "first(a)\nsecond(b)" if number % 2 else "call(a)",
        "suffix": "\ny = 2\n",
        "snippets": [{"path": "b.py", "text": "def call(a): ...", "reason": "definition"}],
    }
    return row | changes


def test_slices_are_kinds_and_lines_and_clusters_files(tmp_path: Path) -> None:
    rows = [make_row(number, ("call", "loop")[number % 2]) for number in range(6)]
    task = load_task("repo", write_rows(tmp_path / "r.jsonl", rows))
    assert (task.subset, task.num_published_rows) == ("o+n", 6)
    checks = check_references(task)
    assert [check for check in checks if not check.is_right] == []
    sizes = {check.slice: check.num_rows for check in checks if check.rule == "stripped"}
    assert sizes == {"all": 6, "kind call": 3, "kind loop": 3, "lines 1": 3, "lines 2-5": 3}
    assert {record.cluster for record in task.records} == {f"o/n:a{n}.py" for n in range(3)}
    assert task.records[0].snippets[0].path == "b.py"


def test_with_many_repositories_they_are_the_clusters(tmp_path: Path) -> None:
    rows = [make_row(number, repository=f"o/{number}") for number in range(10)]
    task = load_task("repo", write_rows(tmp_path / "r.jsonl", rows))
    assert task.subset == "10-repositories"
    assert {record.cluster for record in task.records} == {f"o/{n}" for n in range(10)}


def test_an_answer_that_runs_into_the_suffix_is_right_by_the_last_rule_alone(
    tmp_path: Path,
) -> None:
    task = load_task("repo", write_rows(tmp_path / "r.jsonl", [make_row(0)]))
    scores = {rule.name: rule.score("call(a)\ny = 2\nz", task.records[0]) for rule in task.rules}
    assert scores["stripped"] == scores["lines"] == 0.0
    assert scores["lines-ahead-of-suffix"] == 1.0
    assert 0 < scores["es"] < 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"middle": " \n"}, "the middle is blank"),
        ({"snippets": [{"path": "b.py"}]}, "snippets are of another shape"),
        ({"kind": 3}, "field 'kind' is int"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataFileError, match=complaint):
        load_task("repo", write_rows(tmp_path / "r.jsonl", [make_row(0, **changes)]))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    make_repository(path, {f"src/f{number}.py": make_python(number) for number in range(3)})
    return path


def test_a_repository_is_a_benchmark(clone: Path, fimserve: CommandLine) -> None:
    command = ("eval", "repo", "--repository", clone, "--per-kind", 2, "--json")
    checked = fimserve(*command, "--check-references")
    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["is_right"] is True
    (data,) = Path("runs/eval").glob("repo-shop-*.jsonl.gz")
    stamp = data.stat().st_mtime_ns
    rows = load_data_file(data, ("prefix", "middle", "kind"))
    answers = {row.fields["prefix"]: row.fields["middle"] for row in rows.rows}
    Path("eval/results").mkdir(parents=True)
    with serve_completions(lambda body: (200, openai_body(answers[body["prompt"]]))) as server:
        outcome = fimserve(*command, "--url", server.url, "--model", "m")
        again = fimserve("eval", "repo", "--data", data, "--json", "--url", server.url,
                         "--model", "m")  # fmt: skip
        assert len(server.bodies) == len(rows.rows)  # the second command found the first one's run
    assert outcome.exit_code == 0, outcome.stderr
    line = json.loads(outcome.stdout)
    assert (line["task"], line["subset"], line["value"]) == ("repo", "shop", 1.0)
    assert {score["slice"] for score in line["scores"]} >= {"all", "kind call", "lines 1"}
    assert json.loads(again.stdout)["generations_sha256"] == line["generations_sha256"]
    assert data.stat().st_mtime_ns == stamp
    assert list(Path("eval/results").iterdir()) == []  # private: published by nobody unasked


def test_another_commit_is_another_benchmark(clone: Path, fimserve: CommandLine) -> None:
    command = ("eval", "repo", "--repository", clone, "--per-kind", 1, "--check-references")
    assert fimserve(*command).exit_code == 0
    commit_files(clone, {"src/new.py": make_python(7)})
    assert fimserve(*command).exit_code == 0
    assert len(list(Path("runs/eval").glob("repo-shop-*.jsonl.gz"))) == 2


def test_what_cannot_be_meant_is_refused(clone: Path, fimserve: CommandLine) -> None:
    neither = fimserve("eval", "repo")
    assert neither.exit_code == 2
    assert "give --repository" in neither.stderr
    assert fimserve("eval", "repo", "--repository", clone, "--data", "x.jsonl").exit_code == 2
    none = fimserve("eval", "repo", "--repository", clone, "--languages", "go")
    assert none.exit_code == 1
    assert "no span was found in 0 files" in none.stderr
    unknown = fimserve("eval", "repo", "--repository", clone, "--kinds", "walrus")
    assert "kinds has walrus" in unknown.stderr
    no_clone = fimserve("eval", "repo", "--repository", clone / "src")
    assert "holds no git directory" in no_clone.stderr
