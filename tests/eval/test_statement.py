"""CrossCodeEval's cut to one statement, with the published scorer's faults and without them."""

import pytest

from fimeval.statement import cut_statement, drop_comments


@pytest.mark.parametrize(
    ("prefix", "text", "piece"),
    [
        ("x = ", "f(a)\ny = 2", "f(a)"),
        ("x = ", "f(a,\n  b)\ny = 2", "f(a,\n  b)"),
        ("x = ", "f(a", "f(a"),
        ("x = ", "f(a) \n", "f(a)"),
        ("x = 1 if a else", " 2\nrest", " 2"),
    ],
)
def test_python_ends_at_the_first_newline_where_it_parses(
    prefix: str, text: str, piece: str
) -> None:
    assert cut_statement(prefix, text, "python", is_official=True) == piece
    assert cut_statement(prefix, text, "python", is_official=False) == piece


def test_blank_lines_ahead_end_a_statement_in_the_published_scorer_only() -> None:
    assert cut_statement("x = 1", "\n\ny = 2\nz", "python", is_official=True) == ""
    assert cut_statement("x = 1", "\n\ny = 2\nz", "python", is_official=False) == "\n\ny = 2"


@pytest.mark.parametrize("language", ["java", "typescript", "csharp"])
def test_other_languages_end_at_a_delimiter(language: str) -> None:
    assert cut_statement("", "a(b); c();", language, is_official=True) == "a(b);"
    assert cut_statement("", "a(b) {", language, is_official=True) == "a(b) {"
    assert cut_statement("", "a.b", language, is_official=True) == "a.b"


def test_a_delimiter_at_the_start_is_overlooked_by_the_published_scorer_only() -> None:
    assert cut_statement("", "} else {", "java", is_official=True) == "} else {"
    assert cut_statement("", "} else {", "java", is_official=False) == "}"


def test_both_comment_marks_count_everywhere_in_the_published_scorer_only() -> None:
    assert drop_comments("a // b  # c", "python", is_official=True) == "a "
    assert drop_comments("a // b  # c", "python", is_official=False) == "a // b  "
    assert drop_comments("#if A\nb; // c", "csharp", is_official=True) == "\nb; "
    assert drop_comments("#if A\nb; // c", "csharp", is_official=False) == "#if A\nb; "
