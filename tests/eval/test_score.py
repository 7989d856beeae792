"""From raw answers to estimates: rules, slices, languages, clusters, and stale files."""

from dataclasses import replace
from pathlib import Path

import pytest

from fimeval.bootstrap import BootstrapSettings
from fimeval.errors import GenerationsError
from fimeval.generate import ModelIdentity, generate
from fimeval.score import Score, check_generations, estimate_scores, score_rows
from fimeval.task import Task, take_first_rows
from fimeval.tasks import load_task
from support.fim_rows import KnownAnswers, santacoder_row, write_rows

SETTINGS = BootstrapSettings(num_resamples=500)

# problem, line, language, reference, answer
ROWS = [
    ("p0", 1, "py", "x = 1", "x = 1"),
    ("p0", 2, "py", "y = 2", "\ny = 2\nz = 3"),  # right line, then more
    ("p0", 1, "js", "x = 1;", "x = 2;"),
    ("p0", 2, "js", "}", "}"),  # trivial
    ("p1", 1, "py", "a", "a"),  # trivial
    ("p1", 1, "js", "b = 1;", ""),
    ("p2", 1, "js", "c = 1;", "c = 1;"),
]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    rows = [santacoder_row(problem, line, lang, gold) for problem, line, lang, gold, _ in ROWS]
    return load_task("santacoder-fim", write_rows(tmp_path / "data.jsonl", rows))


def find_scores(task: Task) -> dict[tuple[str, str, str], Score]:
    texts = {record.key: row[4] for record, row in zip(task.records, ROWS, strict=True)}
    scores = estimate_scores(task, score_rows(task, texts), SETTINGS)
    assert scores[0].rule == "official"
    assert (scores[0].slice, scores[0].language) == ("all", "all")
    return {(score.rule, score.slice, score.language): score for score in scores}


@pytest.mark.parametrize(
    ("rule", "part", "language", "correct", "rows", "clusters"),
    [
        ("official", "all", "all", 4, 7, 3),
        ("official", "all", "python", 2, 3, 2),
        ("official", "all", "javascript", 2, 4, 3),
        ("official", "nontrivial", "all", 2, 5, 3),
        ("official", "nontrivial", "python", 1, 2, 1),
        ("official", "nontrivial", "javascript", 1, 3, 3),
        ("first-line", "all", "all", 5, 7, 3),
        ("first-line", "all", "python", 3, 3, 2),
        ("first-line", "nontrivial", "python", 2, 2, 1),
    ],
)
def test_every_rule_slice_and_language_counts_its_own_rows(
    task: Task, rule: str, part: str, language: str, correct: int, rows: int, clusters: int
) -> None:
    estimate = find_scores(task)[rule, part, language].estimate
    assert estimate.value == pytest.approx(correct / rows)
    assert (estimate.num_rows, estimate.num_clusters) == (rows, clusters)


def test_all_combinations_are_scored_once(task: Task) -> None:
    assert len(find_scores(task)) == 2 * 2 * 3


def test_one_language_alone_is_not_listed_twice(task: Task) -> None:
    python = replace(task, records=tuple(r for r in task.records if r.key.language == "python"))
    texts = {record.key: "" for record in python.records}
    scores = estimate_scores(python, score_rows(python, texts), SETTINGS)
    assert {score.language for score in scores} == {"all"}


def test_answers_must_be_whole_and_of_the_same_data(task: Task, tmp_path: Path) -> None:
    answers = KnownAnswers({record.prefix: "" for record in task.records})
    found = generate(task, ModelIdentity("m"), answers, tmp_path / "g.jsonl")
    check_generations(task, found)
    with pytest.raises(GenerationsError, match="answers 4 rows that the task does not have"):
        check_generations(take_first_rows(task, 3), found)
    rows = dict(found.rows)
    del rows[task.records[2].key]
    with pytest.raises(
        GenerationsError, match="6 of 7 rows, the first missing one is humaneval-p0"
    ):
        check_generations(task, replace(found, rows=rows))
    with pytest.raises(GenerationsError, match="give the file it was made from"):
        check_generations(replace(task, data_sha256="0" * 64), found)
    key = task.records[0].key
    rows = {**found.rows, key: replace(found.rows[key], prompt_sha256="0" * 64)}
    with pytest.raises(GenerationsError, match="asked with another prompt"):
        check_generations(task, replace(found, rows=rows))
