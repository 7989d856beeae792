"""Likeness of texts: edit similarity as published, identifiers without strings and keywords."""

import pytest

from fimeval.similarity import (
    find_edit_similarity,
    find_identifier_f1,
    list_identifiers,
    match_identifiers,
    match_lines,
)


@pytest.mark.parametrize(
    ("one", "other", "similarity"),
    [
        ("abc", "  abc\n", 1.0),
        ("abcd", "abce", 0.75),
        ("", "abc", 0.0),
        ("", "", 1.0),
        # fuzzywuzzy with python-Levenshtein: 2 * 5 / 12, rounded to a whole per cent.
        ("kitten", "mitten", 0.83),
    ],
)
def test_edit_similarity_is_a_whole_per_cent(one: str, other: str, similarity: float) -> None:
    assert find_edit_similarity(one, other) == similarity


def test_identifiers_leave_out_strings_numbers_and_keywords() -> None:
    text = "return self.add(\"not me\", x1, 12, True) if y else 'nor \\' me'"
    assert list_identifiers(text, "python") == ["self", "add", "x1", "True", "y"]
    assert "return" in list_identifiers(text, "no such language")


def test_lines_are_compared_without_blank_ones_and_indentation() -> None:
    assert match_lines("  a\n\n b \n", "a\nb") == 1.0
    assert match_lines("a b", "a\nb") == 0.0


def test_identifier_f1_is_of_sets_and_the_match_is_of_sequences() -> None:
    assert find_identifier_f1("f(a, a, b)", "f(a, c)", "python") == pytest.approx(4 / 6)
    assert match_identifiers("f(a)", "a.f", "python") == 0.0
    assert match_identifiers("f + a", "f(a)", "python") == 1.0
    assert find_identifier_f1("1 + 2", "3", "python") == 0.0
