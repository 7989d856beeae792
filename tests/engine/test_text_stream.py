"""Tokens, stop rules and line ends work together."""

from __future__ import annotations

import pytest

from fimserve.engine.text_stream import TextStream, uses_crlf


def stream(
    tokens: list[bytes],
    stops: list[str] | None = None,
    single_line: bool = False,
    crlf: bool = False,
) -> tuple[str, bool]:
    text = TextStream(tokens.__getitem__, stops or [], single_line=single_line, crlf=crlf)
    released = "".join(map(text.feed, range(len(tokens))))
    return released + text.flush(), text.stopped


def test_a_stop_string_may_span_tokens_and_characters_too() -> None:
    assert stream([b"x ", b"\xe6", b"\x95", b"\xb0y"], ["数y"]) == ("x ", True)


def test_the_document_gets_its_own_line_ends_back() -> None:
    assert stream([b"a\n", b"b\r", b"\nc"], crlf=True) == ("a\r\nb\r\nc", False)
    assert stream([b"a\n", b"b\r", b"\nc"], crlf=False) == ("a\nb\nc", False)


@pytest.mark.parametrize("stop", ["\r\n\r\n", "\n\n"])
def test_a_stop_string_matches_whatever_its_line_ends(stop: str) -> None:
    assert stream([b"a\n", b"\nb"], [stop], crlf=True) == ("a", True)


def test_a_single_line_of_a_crlf_document_ends_before_its_cr() -> None:
    assert stream([b"a\r", b"\nb"], single_line=True, crlf=True) == ("a", True)


def test_a_held_back_cr_can_be_the_end_of_a_single_line() -> None:
    assert stream([b"a\r"], single_line=True) == ("a", True)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("a\r\nb\r\n", ""), True),
        (("a\nb\r\n", "c\r\n"), True),
        (("a\nb\r\n", ""), False),
        (("a\n", "b"), False),
        (("", ""), False),
    ],
)
def test_most_lines_decide_about_line_ends(texts: tuple[str, str], expected: bool) -> None:
    assert uses_crlf(*texts) is expected
