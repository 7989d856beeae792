"""The cutting and comparing of texts, case by case."""

import pytest

from fimeval.rules import (
    cut_after_first_line,
    cut_at_markers,
    match_exact,
    match_line_indented,
    match_line_stripped,
    match_stripped,
    take_first_line,
)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("    return x\nprint(1)\n", "    return x"),
        ("\n\n    return x\nmore", "\n\n    return x"),  # blank lines ahead do not end it
        ("  \n\t\n  y = 1", "  \n\t\n  y = 1"),
        ("no newline", "no newline"),
        ("a\u2028b\x0bc\nd", "a\u2028b\x0bc"),  # only \n ends a line
        ("", ""),
        (" \n \n", " \n \n"),
    ],
)
def test_cut_after_first_line_waits_for_non_blank_text(text: str, cut: str) -> None:
    assert cut_after_first_line(text) == cut


@pytest.mark.parametrize(
    ("text", "line"),
    [("\n  \n  a b \nc", "  a b "), ("a", "a"), ("", ""), ("\n \n", ""), ("a\r\nb", "a\r")],
)
def test_take_first_line_skips_blank_lines(text: str, line: str) -> None:
    assert take_first_line(text) == line


@pytest.mark.parametrize(
    ("text", "cut"),
    [("a<E>b<M>c", "a"), ("a<M>b<E>c", "a"), ("<E>", ""), ("a < E", "a < E"), ("", "")],
)
def test_text_is_cut_at_whichever_marker_comes_first(text: str, cut: str) -> None:
    assert cut_at_markers(text, ("<E>", "<M>")) == cut


def test_stripped_match_forgives_white_space_at_the_ends_only() -> None:
    assert match_stripped("\n  a + b \r\n", "a + b") == 1.0
    assert match_stripped("a  + b", "a + b") == 0.0
    assert match_stripped("A + b", "a + b") == 0.0
    assert match_exact("a + b", "a + b ") == 0.0


def test_line_rules_differ_by_indentation_alone() -> None:
    reference = "        return x\n"
    wrong_indent = "    return x\n    more"
    assert match_line_stripped(wrong_indent, reference) == 1.0
    assert match_line_indented(wrong_indent, reference) == 0.0
    assert match_line_indented("\n        return x  \nmore", reference) == 1.0
