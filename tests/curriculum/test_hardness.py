"""Hardness: scores that are kept and resumed, acceptance, the combination, the sample."""

import math
from collections import Counter
from pathlib import Path

import pytest

from fimcurriculum.dataset.rescore import rescore
from fimcurriculum.errors import ScoringError
from fimcurriculum.hardness.combine import combine
from fimcurriculum.hardness.scores import ModelScore, ScoreFile
from fimcurriculum.hardness.scoring import (
    Answer,
    Question,
    SpanRef,
    compare,
    draw_sample,
    score_questions,
)
from fimcurriculum.hardness.telemetry import Acceptance, kind_of_node, refusal_by_kind
from support.mined import MineDesk


def question(name: str, middle: str = "f(x)") -> Question:
    return Question(name, "python", "a.py", "y = ", middle, "\n")


def test_an_exact_answer_is_no_failure_and_a_wrong_one_is() -> None:
    right = compare(question("a"), Answer(" f(x)\n", mean_nll=0.0))
    assert (right.exact_match, right.edit_similarity, right.failure) == (1.0, 1.0, 0.0)
    wrong = compare(question("a"), Answer("f(yz)", mean_nll=math.log(2)))
    assert wrong.exact_match == 0.0
    assert wrong.edit_similarity == pytest.approx(1 - 2 / 5)
    assert wrong.failure == pytest.approx((1 + 2 / 5 + 1 / 2) / 3)


def test_an_answer_without_text_has_no_similarity() -> None:
    score = compare(question("a"), Answer(None, mean_nll=0.0, is_exact=True))
    assert score.edit_similarity is None
    assert score.failure == 0.0


def test_scoring_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(question: Question) -> Answer:
        asked.append(question.id)
        if question.id == "c" and asked.count("c") == 1:
            raise ScoringError("away")
        return Answer("f(x)")

    path = tmp_path / "scores.jsonl"
    questions = [question(name) for name in "abcd"]
    first = ScoreFile(path)
    first.begin("m")
    assert len(list(score_questions(questions[:2], answer, first))) == 2
    with pytest.raises(ScoringError, match="away"):
        list(score_questions(questions, answer, first))
    with path.open("a") as file:
        file.write('{"id": "half')  # killed inside a line
    again = ScoreFile(path)
    again.begin("m")
    assert set(again.scores) == {"a", "b"}
    assert [score.id for score in score_questions(questions, answer, again)] == ["c", "d"]
    assert set(ScoreFile(path).scores) == set("abcd")


def test_scores_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    ScoreFile(path).begin("small")
    with pytest.raises(ScoringError, match="holds scores of small, not of large"):
        ScoreFile(path).begin("large")


def test_questions_under_way_together_keep_their_own_answers(tmp_path: Path) -> None:
    scores = ScoreFile(tmp_path / "scores.jsonl")
    questions = [question(str(i), middle=f"f({i})") for i in range(20)]
    list(score_questions(questions, lambda q: Answer(q.middle), scores, num_parallel=4))
    assert all(score.exact_match == 1.0 for score in scores.scores.values())
    assert len(scores.scores) == 20


def test_a_refusal_is_drawn_to_that_of_all() -> None:
    counts = [
        Acceptance("python", "call", 1000, 100),
        Acceptance("go", "call_expression", 1000, 100),
        Acceptance("python", "return_statement", 2000, 1200),
        Acceptance("python", "import_statement", 1, 0),
        Acceptance("python", "ERROR", 500, 0),
    ]
    refusal = refusal_by_kind(counts)
    assert set(refusal) == {"call", "return", "import"}
    assert refusal["call"] == pytest.approx(0.9, abs=0.01)
    assert refusal["return"] == pytest.approx(0.4, abs=0.01)
    overall = 1 - 1400 / 4001
    assert refusal["import"] == pytest.approx(overall, abs=0.01)  # one showing says little
    assert refusal_by_kind([]) == {}
    assert kind_of_node("no_such_node") is None


def test_parts_that_are_absent_give_their_weight_to_the_others() -> None:
    assert combine(None, None, 0.4) == pytest.approx(0.4)
    assert combine(1.0, None, 0.0) == pytest.approx(0.5 / 0.7)
    assert combine(1.0, 0.5, 0.0) == pytest.approx(0.65)


def test_a_sample_has_every_kind_and_takes_repositories_in_turn() -> None:
    spans = [
        SpanRef(f"{repository}{kind}{i}", repository, "python", kind)
        for repository, size in (("large", 500), ("small", 5), ("tiny", 1))
        for kind in ("call", "loop")
        for i in range(size)
    ]
    sample = draw_sample(spans, 20, seed=1)
    assert Counter(ref.kind for ref in sample) == {"call": 20, "loop": 20}
    assert Counter(ref.repository for ref in sample if ref.kind == "call") == {
        "large": 14,
        "small": 5,
        "tiny": 1,
    }
    assert sample == draw_sample(reversed(spans), 20, seed=1)
    assert {ref.kind for ref in sample[:8]} == {"call", "loop"}


def test_a_failure_without_likelihood_counts_what_is_there() -> None:
    assert ModelScore("a", 0.0, 0.5, None).failure == pytest.approx(0.75)


def test_scores_that_are_gone_leave_no_trace(tmp_path: Path) -> None:
    desk = MineDesk(tmp_path)
    desk.mine()
    before = desk.rows()
    some = {row["id"]: ModelScore(row["id"], 0.0, 0.5, 1.0) for row in before[::3]}
    assert rescore(desk.out, some) == len(some)
    assert {row["id"] for row in desk.rows() if row["mean_nll"] is not None} == set(some)
    assert rescore(desk.out, {}) == 0
    after = desk.rows()
    # float32 on the disk, float64 in between
    assert [row.pop("hardness") for row in after] == pytest.approx(
        [row.pop("hardness") for row in before]
    )
    assert after == before
