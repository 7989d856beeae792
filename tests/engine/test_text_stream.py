"""Tokens, stop rules and line ends work together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


# --- pieces --------------------------------------------------------------------------------------

WRITTEN = st.lists(
    st.sampled_from(["f(", ")", "}", "{", "\n", "    ", "\r\n", "x = 1", "größe 😀", '"', "b)"]),
    max_size=20,
).map("".join)


def release(pieces: list[bytes], num_skipped_bytes: int, **fields: object) -> list[str]:
    """Return what comes out for each piece, and at the end."""
    text = TextStream(
        pieces.__getitem__,
        prefix="def f():\n    if a:\n        b(",
        suffix=")\n    return größe\n",
        language="python",
        trim=True,
        num_skipped_bytes=num_skipped_bytes,
        **fields,  # type: ignore[arg-type]
    )
    released = [text.feed(i) for i in range(len(pieces))]
    return [*released, text.flush()]


@given(WRITTEN, st.lists(st.integers(1, 9), min_size=1, max_size=9), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_text_does_not_depend_on_where_tokens_end(
    written: str, sizes: list[int], single_line: bool, stops: bool
) -> None:
    """Bytes are cut anywhere, inside characters too; three are skipped, as healing does."""
    fields = {"single_line": single_line, "stops": ["1\n", "😀\n"] if stops else []}
    content, pieces, place = b"val" + written.encode(), [], 0
    while place < len(content):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(content[place : place + size])
        place += size
    whole = "".join(release([content], 3, **fields))
    assert "".join(release(pieces, 3, **fields)) == whole
    plain = written.replace("\r\n", "\n")
    assert plain.startswith(whole)


def test_nothing_comes_out_once_a_rule_has_ended_it() -> None:
    released = release([b"c)", b"\n", b"more", b"\n"], 0)
    assert released == ["c", "", "", "", ""]


def test_a_trimmed_completion_ends_at_a_line_end_when_time_is_up() -> None:
    tokens = [b"a\n", b"    b", b"\n    c"]
    for trim, expected in ((True, "a\n    b"), (False, "a\n    b\n    c")):
        text = TextStream(tokens.__getitem__, prefix="def f():\n    ", trim=trim)
        assert text.is_trimmed == trim
        released = "".join(map(text.feed, range(len(tokens))))
        assert released + text.finish_at_line_end() == expected


@pytest.mark.parametrize(
    ("tokens", "has_whole_line"),
    [
        ([b"a", b"b"], False),
        ([b"\n", b"  \n", b"a"], False),
        ([b"\n  a", b"\n"], True),
        ([b"a\r", b"\nb"], True),
        ([b"a b\nc"], True),
    ],
)
def test_a_line_with_text_and_an_end_is_noticed(tokens: list[bytes], has_whole_line: bool) -> None:
    text = TextStream(tokens.__getitem__)
    for index in range(len(tokens)):
        text.feed(index)
    assert text.has_whole_line is has_whole_line
