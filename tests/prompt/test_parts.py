"""Line ends and the anchor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.prompt import PromptParts, Snippet
from support.notation import fim

LINES = st.text(alphabet="a\r\n", max_size=12)


def test_crlf_becomes_lf_everywhere() -> None:
    prefix, suffix = fim("a\r\nb█\r\nc\r\n")
    parts = PromptParts(prefix, suffix, snippets=(Snippet("p", "x\r\n"),), increment="d\r\n")
    assert parts.with_lf() == PromptParts(
        "a\nb", "\nc\n", snippets=(Snippet("p", "x\n"),), increment="d\n"
    )


@pytest.mark.parametrize("increment", ["", "x\r"])
def test_a_line_end_split_by_the_cursor_becomes_one(increment: str) -> None:
    parts = PromptParts("a" if increment else "a\r", "\nb", increment=increment)
    parts = parts.with_lf()
    assert "\r" not in parts.prefix + parts.increment
    assert parts.suffix == "\nb"


@given(prefix=LINES, increment=LINES, suffix=LINES)
def test_parts_join_to_the_text_with_lf(prefix: str, increment: str, suffix: str) -> None:
    parts = PromptParts(prefix, suffix, increment=increment).with_lf()
    joined = parts.prefix + parts.increment + (parts.suffix or "")
    assert joined == (prefix + increment + suffix).replace("\r\n", "\n")


def test_a_lone_carriage_return_stays() -> None:
    assert PromptParts("a\rb", None).with_lf() == PromptParts("a\rb", None)


def test_reanchoring_moves_the_increment_into_the_prefix() -> None:
    assert PromptParts("a", "c", increment="b").reanchored() == PromptParts("ab", "c")


@pytest.mark.parametrize("text", ["no cursor", "█ two █"])
def test_the_notation_wants_one_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        fim(text)
