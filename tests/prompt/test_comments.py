"""Pieces of other files as line comments."""

import pytest

from fimserve.prompt import Snippet
from fimserve.prompt.comments import comment_blocks, line_comment


@pytest.mark.parametrize(
    ("language", "mark"),
    [
        ("python", "#"),
        ("TypeScript", "//"),
        ("typescriptreact", "//"),
        ("lua", "--"),
        ("go", "//"),
        ("html", None),
        ("json", None),
        ("no such language", None),
        (None, None),
    ],
)
def test_mark_of_a_language(language: str | None, mark: str | None) -> None:
    assert line_comment(language) == mark


@pytest.mark.parametrize(
    ("path", "mark"),
    [("src/a.py", "#"), ("src/a.TS", "//"), ("q.sql", "--"), ("README", None), ("a.html", None)],
)
def test_a_path_stands_in_for_the_language(path: str, mark: str | None) -> None:
    assert line_comment(None, path) == mark


def test_the_language_wins_over_the_path() -> None:
    assert line_comment("html", "a.py") is None


def test_an_empty_line_gets_the_mark_alone() -> None:
    assert comment_blocks([Snippet("a.go", "x\n\ny\n\n")], "//") == (
        "// Path: a.go\n// x\n//\n// y\n",
    )


def test_a_snippet_without_path_has_no_path_line() -> None:
    assert comment_blocks([Snippet("", "x")], "#") == ("# x\n",)
