"""Brackets, strings and comments at the end of a text, with a grammar and without one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine import syntax
from fimserve.engine.language import language_of
from fimserve.engine.scan import scan_by_rules
from fimserve.engine.syntax import RuleScanner, TreeScanner, make_scanner

LANGUAGES = [
    "python", "javascript", "javascriptreact", "typescript", "typescriptreact", "java", "go",
    "rust", "c", "cpp", "csharp",
]  # fmt: skip


def brackets_of(text: str, language: str | None) -> str:
    return "".join(char for _, char in make_scanner(language).scan(text).brackets)


@pytest.mark.parametrize("language", LANGUAGES)
def test_these_languages_have_a_grammar(language: str) -> None:
    assert isinstance(make_scanner(language), TreeScanner)


@pytest.mark.parametrize("language", [None, "ruby", "klingon", ""])
def test_others_are_read_by_rules(language: str | None) -> None:
    assert isinstance(make_scanner(language), RuleScanner)
    assert brackets_of("f(a[1], {", language) == "([]{"


def test_a_missing_wheel_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "_loaded", {})
    monkeypatch.setattr(
        syntax, "_GRAMMARS", {"python": syntax._Grammar("tree_sitter_of_no_such_wheel")}
    )
    assert isinstance(make_scanner("python"), RuleScanner)
    assert brackets_of("f(')'", "python") == "("


@pytest.mark.parametrize(
    ("language", "path", "expected"),
    [
        ("Python", None, "python"),
        ("py", "a.js", "python"),
        ("c++", None, "cpp"),
        (None, "src/App.tsx", "typescriptreact"),
        (None, "a.RS", "rust"),
        ("", "x.go", "go"),
        (None, "Makefile", None),
        (None, None, None),
        ("klingon", None, "klingon"),
    ],
)
def test_a_language_has_one_name(
    language: str | None, path: str | None, expected: str | None
) -> None:
    assert language_of(language, path) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("a(')', \"]\") # }\nb[", "python", "()["),
        ('f"{a(b)} {" + c(', "python", "{()}{("),
        ("a(/[)]/g); b({", "javascript", "()({"),
        ("a / b(c) / d[", "javascript", "()["),
        ("a + `b) ${c(d)} `; e(", "javascript", "{()}("),
        ("return (\n  <A b={c}>don't\n", "typescriptreact", "({}"),
        ("fn f<'a>(x: &'a str) { let c = '{'; g(", "rust", "(){("),
        ('let s = r#"a" ( "#; f(', "rust", "("),
        ("x := `a ( b` + f(", "go", "("),
        ("char c = '{'; /* ( */ int f() { // [", "c", "(){"),
        ("class A { void F() { var s = '}' + f(", "csharp", "{(){("),
        ("f({", "java", "({"),
    ],
)
def test_a_grammar_knows_what_is_code(text: str, language: str, expected: str) -> None:
    assert brackets_of(text, language) == expected


@pytest.mark.parametrize(
    ("text", "language", "inside"),
    [
        ("x = 1", "python", "code"),
        ("x = 'a", "python", "string"),
        ("x = 'a'", "python", "code"),
        ('def f():\n    """Doc ', "python", "string"),
        ("# it's", "python", "comment"),
        ("# it's\n", "python", "code"),
        ('f"{a(', "python", "code"),
        ("a + `b ${c(d)} `", "javascript", "code"),
        ("a + `b ", "javascript", "string"),
        ("/* a", "java", "comment"),
        ("/* a */", "java", "code"),
        ("// a", "go", "comment"),
        ("&'a str", "rust", "code"),
    ],
)
def test_what_the_end_is_inside_of(text: str, language: str, inside: str) -> None:
    assert make_scanner(language).scan(text).inside == inside


@pytest.mark.parametrize("language", [*LANGUAGES, None])
def test_positions_are_characters(language: str | None) -> None:
    text = "größe = '数😀\ud800'; f(a"
    if language == "rust":
        text = text.replace("'", '"')
    (bracket,) = make_scanner(language).scan(text).brackets
    assert text[bracket.position] == "("


PIECES = 'f( ) { } \' " """ ` ${ // # /* */ é 😀 <a> if [ ] \\ &\'a x=1'
CODE = st.lists(
    st.sampled_from([*PIECES.split(), "\n", "    ", "\x00", "\ud800", "\r\n"]), max_size=30
).map("".join)


@given(CODE, CODE, st.sampled_from([*LANGUAGES, None]))
@settings(max_examples=200, deadline=None)
def test_a_text_that_grew_has_the_brackets_of_the_whole(
    start: str, more: str, language: str | None
) -> None:
    """No input raises; what was scanned before makes no difference to which brackets pair up."""
    grown = make_scanner(language)
    grown.scan(start)
    whole = make_scanner(language).scan(start + more)
    again = grown.scan(start + more)
    assert again.inside == whole.inside
    for position, char in again.brackets:
        assert (start + more)[position] in (char, "$", "#", "\\")


@given(CODE, CODE)
@settings(max_examples=100, deadline=None)
def test_brackets_before_the_start_are_left_out(start: str, more: str) -> None:
    found = make_scanner(None).scan(start + more, len(start)).brackets
    assert [(at - len(start), char) for at, char in found] == [*scan_by_rules(more).brackets]


def test_parsing_stops_where_a_text_is_no_code_and_rules_go_on() -> None:
    """C read as Python: the parser would try to mend it again and again."""
    text = 'int f() {\n  if (x) { foo(a, "b"); }\n' * 100
    scanner = make_scanner("python")
    assert isinstance(scanner, TreeScanner)
    for num_lines in range(20):
        found = scanner.scan(text + "x = y(\n" * num_lines, len(text))
    assert scanner._num_rounds_left <= 0
    assert [char for _, char in found.brackets] == ["("] * 19
