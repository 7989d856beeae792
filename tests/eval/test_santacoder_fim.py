"""SantaCoder-FIM: keys, clusters, slices, and hand-made answers under both rules."""

from pathlib import Path

import pytest

from fimeval.errors import DataFileError
from fimeval.tasks import load_task
from fimeval.tasks.santacoder_fim import (
    find_problem,
    is_nontrivial,
    match_first_line,
    match_official,
)
from support.fim_rows import santacoder_row, write_rows

NAME = "santacoder-fim"
REFERENCE = "        for (String word : words) {"


@pytest.mark.parametrize(
    ("completion", "official", "first_line"),
    [
        (REFERENCE, 1.0, 1.0),
        # The prompt lacks the newline ahead of the hole: a right answer begins with one, so a
        # newline as a stop string would leave nothing.
        ("\n" + REFERENCE + "\n", 1.0, 1.0),
        # No cut to one line: the official rule calls a right line with more text wrong.
        ("\n" + REFERENCE + "\n            sb.append(word);", 0.0, 1.0),
        (REFERENCE + "<|endoftext|>junk", 1.0, 1.0),
        (REFERENCE + "<|filename|>junk", 1.0, 1.0),
        (REFERENCE + "\n<file_sep>junk", 1.0, 1.0),
        ("for (String word : words) {", 1.0, 1.0),
        ("for (String w : words) {", 0.0, 0.0),
        ("<|endoftext|>" + REFERENCE, 0.0, 0.0),
        ("", 0.0, 0.0),
        ("\n", 0.0, 0.0),
    ],
)
def test_official_and_first_line_rules(completion: str, official: float, first_line: float) -> None:
    assert match_official(completion, REFERENCE) == official
    assert match_first_line(completion, REFERENCE) == first_line


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "humaneval-HumanEval_59_largest_prime_factor.json-L26",
            "humaneval-HumanEval_59_largest_prime_factor",
        ),
        ("humaneval-HumanEval_0_x.json-L3", "humaneval-HumanEval_0_x"),
        ("humaneval-HumanEval_0_x.json-L3.json-L4", "humaneval-HumanEval_0_x.json-L3"),
        ("humaneval-HumanEval_0_x", "humaneval-HumanEval_0_x"),
    ],
)
def test_cluster_is_the_name_without_its_line(name: str, problem: str) -> None:
    assert find_problem(name) == problem


def test_one_name_in_two_languages_is_two_rows_of_one_cluster(tmp_path: Path) -> None:
    rows = [santacoder_row("p", 1, "py", "x = 1"), santacoder_row("p", 1, "js", "x = 1;")]
    task = load_task(NAME, write_rows(tmp_path / "d.jsonl.gz", rows))
    first, second = task.records
    assert first.key == ("humaneval-p.json-L1", "python")
    assert second.key == ("humaneval-p.json-L1", "javascript")
    assert first.cluster == second.cluster == "humaneval-p"
    assert task.max_tokens == 64


@pytest.mark.parametrize(
    ("answer", "nontrivial"),
    [("        }", False), ("    };", False), ("});", True), ("x++", True), ("}", False)],
)
def test_trivial_answers_have_at_most_two_characters_when_stripped(
    tmp_path: Path, answer: str, nontrivial: bool
) -> None:
    path = write_rows(tmp_path / "d.jsonl", [santacoder_row("p", 1, "java", answer)])
    assert is_nontrivial(load_task(NAME, path).records[0]) is nontrivial


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([santacoder_row("p", 1, "rs", "x")], "line 1: language 'rs' is unknown"),
        ([santacoder_row("p", 1, "py", "x")] * 2, "humaneval-p.json-L1 python occurs twice"),
        ([{"name": "a", "language": "py"}], "line 1: field 'prompt' is missing"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(DataFileError, match=message):
        load_task(NAME, write_rows(tmp_path / "d.jsonl", rows))
