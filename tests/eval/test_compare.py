"""Comparing two runs: paired differences, the sign-flip test, the page, and refusals."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from fimeval.bootstrap import BootstrapSettings
from fimeval.compare import compare_runs, find_p_value, list_discordant
from fimeval.compare_page import build_page
from fimeval.errors import EvalError
from fimeval.generate import ModelIdentity, generate
from fimeval.tasks import load_task
from support.fim_rows import KnownAnswers, santacoder_row, write_rows

SETTINGS = BootstrapSettings(num_resamples=500)

GOLD = [("p0", 1, "a"), ("p0", 2, "b"), ("p1", 1, "c"), ("p2", 1, "<d>")]


def write_run(data: Path, directory: Path, answers: list[str]) -> Path:
    task = load_task("santacoder-fim", data)
    known = {record.prefix: text for record, text in zip(task.records, answers, strict=True)}
    path = directory / "generations.jsonl"
    generate(task, ModelIdentity(directory.name), KnownAnswers(known), path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [santacoder_row(problem, line, "py", gold) for problem, line, gold in GOLD]
    return write_rows(tmp_path / "data.jsonl", rows)


def test_differences_are_taken_row_by_row(data: Path, tmp_path: Path) -> None:
    first = write_run(data, tmp_path / "one", ["a", "x", "x", "<d>"])
    second = write_run(data, tmp_path / "two", ["a", "b", "c", "x"])
    comparison = compare_runs(first, second, data, SETTINGS)
    primary = comparison.differences[0]
    assert (primary.rule, primary.slice, primary.language) == ("official", "all", "all")
    assert (primary.first, primary.second, primary.difference) == (0.5, 0.75, 0.25)
    assert (primary.num_won, primary.num_lost, primary.num_rows) == (2, 1, 4)
    assert primary.num_clusters == 3
    assert primary.ci_low is not None
    assert primary.ci_high is not None
    assert primary.ci_low < 0.25 < primary.ci_high
    won = [row.record.key.task_id for row in list_discordant(comparison, "official")]
    assert won == ["humaneval-p0.json-L2", "humaneval-p1.json-L1", "humaneval-p2.json-L1"]


def test_equal_runs_differ_by_nothing(data: Path, tmp_path: Path) -> None:
    answers = ["a", "b", "x", "x"]
    first = write_run(data, tmp_path / "one", answers)
    second = write_run(data, tmp_path / "two", answers)
    for one in compare_runs(first, second, data, SETTINGS).differences:
        assert (one.difference, one.ci_low or 0.0, one.ci_high or 0.0) == (0.0, 0.0, 0.0)
        assert one.p_value in (1.0, None)


def test_few_clusters_are_flipped_in_every_way() -> None:
    sums = np.array([2.0, -1.0, 3.0, 1.0])
    totals = [abs(float(np.dot(signs, sums))) for signs in product([1, -1], repeat=4)]
    expected = sum(total >= 5.0 for total in totals) / 16
    assert find_p_value(sums, 10, 0) == expected
    assert find_p_value(np.array([1.0]), 10, 0) is None


def test_many_clusters_give_uniform_p_values_under_no_difference() -> None:
    random = np.random.default_rng(3)
    p_values = [find_p_value(random.normal(size=40), 400, seed) for seed in range(400)]
    share = np.mean([p is not None and p <= 0.1 for p in p_values])
    assert 0.05 < share < 0.16


def test_the_page_shows_rows_escaped_and_is_self_contained(data: Path, tmp_path: Path) -> None:
    first = write_run(data, tmp_path / "one", ["a", "x", "c", "<script>x"])
    second = write_run(data, tmp_path / "two", ["a", "b", "c", "<d>"])
    page = build_page(compare_runs(first, second, data, SETTINGS), max_rows=5)
    assert page.count("<article>") == 2
    assert "&lt;script&gt;x" in page
    assert "<mark>&lt;d&gt;</mark>" in page
    assert "<script" not in page
    assert "http" not in page
    assert build_page(compare_runs(first, second, data, SETTINGS), 1).count("<article>") == 1


def test_runs_over_other_rows_are_refused(data: Path, tmp_path: Path) -> None:
    first = write_run(data, tmp_path / "one", ["a", "b", "c", "d"])
    other = write_rows(tmp_path / "other.jsonl", [santacoder_row("q", 1, "py", "a")])
    second = write_run(other, tmp_path / "two", ["a"])
    with pytest.raises(EvalError, match="only runs over the same rows"):
        compare_runs(first, second, data, SETTINGS)


def test_the_command_prints_one_json_line_and_writes_the_page(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys

    from fimserve.cli.main import run

    first = write_run(data, tmp_path / "one", ["a", "x", "x", "x"])
    second = write_run(data, tmp_path / "two", ["a", "b", "c", "x"])
    page = tmp_path / "pages" / "c.html"
    words = ["eval", "compare", str(first), str(second), "--html", str(page), "--json"]
    monkeypatch.setattr(sys, "argv", ["fimserve", *words])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 0
    line = json.loads(capsys.readouterr().out)
    assert line["differences"][0]["difference"] == 0.5
    assert "<article>" in page.read_text()
