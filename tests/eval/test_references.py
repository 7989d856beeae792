"""References score 100 %, the empty string 0: on hand-made rows and on the real files."""

from dataclasses import replace
from pathlib import Path

import pytest

from fimeval.references import check_references
from fimeval.rules import Rule
from fimeval.tasks import load_task
from support.fim_rows import random_span_row, santacoder_row, single_line_row, write_rows
from support.shared import shared_file


def test_sound_rules_pass(tmp_path: Path) -> None:
    files = {
        "humaneval-infilling": [single_line_row(0, 1), single_line_row(1, 1, "  y = {}\n")],
        "santacoder-fim": [
            santacoder_row("p", 1, "py", "x = 1"),
            santacoder_row("p", 2, "js", "}"),
        ],
    }
    for name, rows in files.items():
        checks = check_references(load_task(name, write_rows(tmp_path / f"{name}.jsonl", rows)))
        assert checks
        assert all(check.is_right for check in checks)


def test_a_rule_that_forgives_too_much_or_too_little_is_found(tmp_path: Path) -> None:
    task = load_task(
        "humaneval-infilling", write_rows(tmp_path / "d.jsonl", [random_span_row(0, "a")])
    )
    lax = Rule.of_texts("lax", "", lambda completion, reference: float(completion in reference))
    strict = Rule.of_texts("strict", "", lambda completion, reference: 0.0)
    lax_check, strict_check = check_references(replace(task, rules=(lax, strict)))
    assert (lax_check.gold, lax_check.empty, lax_check.is_right) == (1.0, 1.0, False)
    assert (strict_check.gold, strict_check.empty, strict_check.is_right) == (0.0, 0.0, False)


def test_a_blank_reference_is_found(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", [single_line_row(0, 0), single_line_row(0, 1, "\n")])
    checks = check_references(load_task("humaneval-infilling", path))
    assert [check.empty for check in checks] == [0.5, 0.5, 0.5]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file", "subset", "num_rows", "num_clusters"),
    [
        ("humaneval-infilling", "HumanEval-SingleLineInfilling", "single-line", 1033, 164),
        (
            "humaneval-infilling",
            "HumanEval-RandomSpanInfillingLight",
            "random-span-light",
            164,
            164,
        ),
        ("santacoder-fim", "santacoder_fim_dev", "single-line", 2629, 79),
    ],
)
def test_the_real_files_pass_under_every_rule(
    name: str, file: str, subset: str, num_rows: int, num_clusters: int
) -> None:
    task = load_task(name, shared_file(f"data/eval/{name}/{file}.jsonl.gz"))
    assert task.subset == subset
    assert len(task.records) == num_rows
    assert len({record.cluster for record in task.records}) == num_clusters
    checks = check_references(task)
    assert len(checks) == len(task.rules) * len(task.slices)
    assert [check for check in checks if not check.is_right] == []


@pytest.mark.shared
def test_a_third_of_the_java_and_javascript_answers_is_trivial() -> None:
    path = shared_file("data/eval/santacoder-fim/santacoder_fim_dev.jsonl.gz")
    task = load_task("santacoder-fim", path)
    nontrivial = task.slices[1]
    trivial = [r.key.language for r in task.records if not nontrivial.keeps(r)]
    counts = {language: trivial.count(language) for language in ("python", "java", "javascript")}
    assert counts == {"python": 1, "java": 338, "javascript": 317}
