"""Syntax nodes around a cursor, and around what was written there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine import cursor_kinds
from fimserve.engine.cursor_kinds import (
    MAX_AFTER_CHARS,
    MAX_BEFORE_CHARS,
    CursorKinds,
    find_cursor_kinds,
)
from support.notation import fim


def kinds_at(code: str, completion: str | None = None, language: str = "python") -> CursorKinds:
    prefix, suffix = fim(code)
    found = find_cursor_kinds(prefix, suffix, completion, language)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("language", "code", "kind"),
    [
        ("python", "def f(path):\n    return █\n", "return_statement"),
        ("python", "x = foo(█)\n", "argument_list"),
        ("python", "x = foo(a, █)\n", "argument_list"),
        ("python", "x = foo(a, be█)\n", "argument_list"),
        ("python", "x = █\n", "assignment"),
        ("python", "def f(█):\n    pass\n", "parameters"),
        ("python", "def f(x):\n    y = 1\n    █\n\n\nprint(1)\n", "block"),
        ("python", "import █\n", "import_statement"),
        ("python", "# say █\n", "comment"),
        ("python", 's = "abc█"\n', "string"),
        ("python", "print(len(█\n", "ERROR"),
        ("python", "█", "module"),
        ("java", "class A {\n  void f() {\n    █\n  }\n}\n", "block"),
        ("typescript", "function f(a: █) {}\n", "type_annotation"),
        ("typescriptreact", "const a = <b c={█} />;\n", "jsx_expression"),
        ("javascript", "items.map(█);\n", "arguments"),
        ("go", "package main\n\nfunc f() {\n\tx := █\n}\n", "short_var_declaration"),
        ("rust", "fn f() {\n    let x = █;\n}\n", "let_declaration"),
        ("cpp", "int main() {\n  return █;\n}\n", "return_statement"),
        ("csharp", "class A { void F() { █ } }", "block"),
    ],
)
def test_the_node_at_the_cursor_is_the_one_that_a_name_there_would_be_in(
    language: str, code: str, kind: str
) -> None:
    assert kinds_at(code, language=language).kind == kind


def test_parents_and_the_node_of_the_line_are_told() -> None:
    found = kinds_at("def f(path):\n    with open(path) as file:\n        x = g(█)\n", "1, path")
    assert found == CursorKinds(
        kind="argument_list",
        parent_kind="call",
        grandparent_kind="assignment",
        great_grandparent_kind="expression_statement",
        line_kind="block",
        kind_after="argument_list",
    )


def test_a_file_has_no_line_that_it_is_the_node_of() -> None:
    assert kinds_at("█").line_kind is None
    assert kinds_at("x = █\n").line_kind == "expression_statement"


@pytest.mark.parametrize(
    ("code", "completion", "kind"),
    [
        ("def f(file):\n    return █\n", "file.readlines()", "call"),
        ("def f(file):\n    return █\n", "file", "return_statement"),
        ("x = foo(█)\n", "é + 'ü'", "binary_operator"),
        ("def f(x):\n    █\n", "if x:\n        return 1\n    return 2\n", "block"),
        ("# █\n", "a remark", "comment"),
        ("print(len(█\n", "a))", "argument_list"),
        ("x = █\n", "  \n", None),
    ],
)
def test_the_node_afterwards_is_the_innermost_around_all_that_was_written(
    code: str, completion: str, kind: str | None
) -> None:
    assert kinds_at(code, completion).kind_after == kind


def test_a_completion_that_is_not_told_has_no_node() -> None:
    assert kinds_at("x = █\n").kind_after is None


def test_a_path_tells_the_language_and_an_unknown_language_nothing() -> None:
    told = find_cursor_kinds("return ", ";\n", path="a/b.js")
    assert told is not None
    assert told.kind == "return_statement"
    assert find_cursor_kinds("x", "", language="klingon") is None
    assert find_cursor_kinds("x", "") is None


def test_of_a_long_file_the_nearest_part_is_read() -> None:
    prefix, suffix = fim("def f(x):\n    y = 1\n    return █\n")
    before, after = "a = 1\n" * MAX_BEFORE_CHARS, "\nb = 2\n" * MAX_AFTER_CHARS
    found = find_cursor_kinds(before + prefix, suffix + after, "y", "python")
    assert found is not None
    assert (found.kind, found.parent_kind) == ("return_statement", "block")


def test_what_takes_too_long_to_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor_kinds, "MAX_PARSE_ROUNDS", 1)
    assert find_cursor_kinds("x = [1, 2, 3]\n" * 50, "", "x", "python") is None


@settings(deadline=None, max_examples=60)
@given(
    st.text(alphabet="def f(x):\n \t\"'{}[]#=.é\U0001f600\ud800", max_size=60),
    st.text(alphabet="ab()\n \ud800", max_size=20),
    st.sampled_from(["python", "typescript", "go", "cpp"]),
)
def test_no_text_is_too_odd(text: str, completion: str, language: str) -> None:
    for cut in (0, len(text) // 2, len(text)):
        find_cursor_kinds(text[:cut], text[cut:], completion, language)
