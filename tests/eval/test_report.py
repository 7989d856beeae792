"""Result lines: what they hold, that they are plain JSON, and that files only grow."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fimeval.bootstrap import BootstrapSettings
from fimeval.errors import GenerationsError
from fimeval.generate import ModelIdentity, generate
from fimeval.provenance import hash_files
from fimeval.report import Result, append_result, flatten_result
from fimeval.run import score_file
from fimeval.table import build_result_table
from fimeval.task import Task
from fimeval.tasks import load_task
from fimserve.prompt import Order
from support.fim_rows import KnownAnswers, single_line_row, write_rows

SETTINGS = BootstrapSettings(num_resamples=300, seed=4)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    rows = [single_line_row(problem, line) for problem in range(5) for line in range(2)]
    return load_task("humaneval-infilling", write_rows(tmp_path / "data.jsonl", rows))


def run(task: Task, directory: Path, num_right: int = 6) -> Result:
    """Generate with the first answers right and score the file."""
    answers = {
        record.prefix: record.reference if index < num_right else "pass"
        for index, record in enumerate(task.records)
    }
    path = directory / "generations.jsonl"
    times = iter(range(1000))
    model = ModelIdentity("m", "w" * 64, order=Order.SPM, device="cpu", dtype="float32")
    generate(task, model, KnownAnswers(answers), path, clock_s=lambda: next(times) / 10)
    return score_file(path, None, SETTINGS)


def test_a_result_line_says_everything_a_published_number_needs(task: Task, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    result = run(task, directory)
    line = json.loads((directory / "report.json").read_text())
    assert line == json.loads(json.dumps(flatten_result(result)))
    assert line["value"] == pytest.approx(0.6)
    assert line["rule"] == "line-stripped"
    assert line["ci_low"] <= 0.6 <= line["ci_high"]
    assert (line["num_rows"], line["num_clusters"]) == (10, 5)
    assert line["deff"] == pytest.approx(2.5)  # rows of a problem are all right or all wrong
    assert line["scorer_version"] == 1
    assert line["interval"] == {
        "method": "cluster percentile bootstrap", "num_resamples": 300, "seed": 4, "level": 0.95,
    }  # fmt: skip
    assert line["settings"]["data_sha256"] == task.data_sha256
    assert line["settings"]["weights_sha256"] == "w" * 64
    assert line["settings"]["order"] == "spm"
    assert line["decoding"] == "greedy"
    assert line["latency"] == {"p50_ms": 100.0, "p95_ms": 100.0}
    assert line["finish_reasons"] == {"stop": 10}
    assert line["generations_sha256"] == hash_files([directory / "generations.jsonl"])
    assert line["is_whole_benchmark"] is False
    assert line["num_published_rows"] == 1033
    assert [entry["rule"] for entry in line["scores"]] == list(line["rules"])
    for provenance in (*line["generated"], line["scored"]):
        assert set(provenance) == {"date", "command", "commit", "is_dirty", "environment"}
        assert set(provenance["environment"]) == {
            "python", "platform", "cpu", "num_cores", "packages",
        }  # fmt: skip


def test_scores_of_every_row_lie_beside_the_report(task: Task, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    run(task, directory)
    head, *rows = map(json.loads, (directory / "scores.jsonl").read_text().splitlines())
    assert head == {"record": "scorer", "version": 1}
    assert len(rows) == 10
    assert rows[0] == {
        "record": "score",
        "task_id": "SingleLineInfilling/HumanEval/0/L0",
        "language": "python",
        "cluster": "0",
        "slices": ["all"],
        "scores": {"line-stripped": 1.0, "line-indented": 1.0, "own-stop-stripped": 1.0},
    }
    assert rows[9]["scores"]["line-stripped"] == 0.0


def test_scoring_again_gives_the_same_files(task: Task, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    run(task, directory)
    scores = (directory / "scores.jsonl").read_bytes()
    first = json.loads((directory / "report.json").read_text())
    score_file(directory / "generations.jsonl", task.data_path, SETTINGS)
    again = json.loads((directory / "report.json").read_text())
    assert (directory / "scores.jsonl").read_bytes() == scores
    assert {**first, "scored": None} == {**again, "scored": None}


def test_the_benchmark_file_may_have_moved_but_not_changed(task: Task, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    run(task, directory)
    path = directory / "generations.jsonl"
    moved = task.data_path.rename(tmp_path / "moved.jsonl")
    with pytest.raises(GenerationsError, match="is not there any more; give --data"):
        score_file(path, None, SETTINGS)
    assert score_file(path, moved, SETTINGS).primary.estimate.value == pytest.approx(0.6)
    with moved.open("a") as file:
        file.write("\n")
    with pytest.raises(GenerationsError, match="give the file it was made from"):
        score_file(path, moved, SETTINGS)


def test_result_files_grow_and_are_never_rewritten(task: Task, tmp_path: Path) -> None:
    results = tmp_path / "results"
    first = flatten_result(run(task, tmp_path / "a", num_right=6))
    second = flatten_result(run(task, tmp_path / "b", num_right=3))
    path = append_result(results, first)
    assert path == results / "humaneval-infilling.jsonl"
    before = path.read_text()
    append_result(results, second)
    append_result(results, first)  # the same answers under the same scorer: published already
    assert path.read_text().startswith(before)
    values = [json.loads(line)["value"] for line in path.read_text().splitlines()]
    assert values == pytest.approx([0.6, 0.3])


def test_a_new_scorer_or_interval_is_a_new_result(task: Task, tmp_path: Path) -> None:
    line = flatten_result(run(task, tmp_path / "a"))
    append_result(tmp_path, line)
    append_result(tmp_path, line | {"scorer_version": 2})
    path = append_result(tmp_path, line | {"interval": {**line["interval"], "seed": 5}})
    assert len(path.read_text().splitlines()) == 3


def test_the_table_shows_each_score_and_that_it_is_a_part(task: Task, tmp_path: Path) -> None:
    result = run(task, tmp_path / "a")
    text = print_table(result)
    assert text.count("60.00") == 6  # three rules, value and macro
    assert "a part of the benchmark: 10 of 1033 rows" in text
    assert "a part" not in print_table(replace(result, num_published_rows=10))


def test_the_widest_table_fits_a_narrow_terminal(task: Task, tmp_path: Path) -> None:
    result = run(task, tmp_path / "a")
    short = replace(result.primary, rule="official")
    wide = replace(result.primary, rule="first-line", slice="nontrivial", language="javascript")
    text = print_table(replace(result, scores=(short, wide)))
    assert "first-line nontrivial javascript 60.00" in text
    assert "…" not in text


def print_table(result: Result) -> str:
    """Return the table as a terminal of 80 columns shows it."""
    console = Console(width=80, file=StringIO())
    console.print(build_result_table(result))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()
