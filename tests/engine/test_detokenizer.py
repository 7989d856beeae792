"""Text leaves in whole characters and equals the whole decoding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.detokenizer import Detokenizer


def detokenise(tokens: list[bytes]) -> list[str]:
    """Return the text after each token, and what the flush adds."""
    detokenizer = Detokenizer(tokens.__getitem__)
    return [*map(detokenizer.feed, range(len(tokens))), detokenizer.flush()]


def with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@st.composite
def cut_bytes(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    """Some bytes, cut into tokens anywhere."""
    whole = draw(data)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


SOURCE_TEXT = st.text(alphabet="aé数😀\r\n \x00", max_size=40)


@given(cut_bytes(SOURCE_TEXT.map(str.encode)))
def test_pieces_join_to_the_whole_text(tokens: list[bytes]) -> None:
    assert "".join(detokenise(tokens)) == with_lf(b"".join(tokens).decode())


@given(cut_bytes(st.binary(max_size=40)))
def test_broken_bytes_become_what_a_whole_decoding_makes_of_them(tokens: list[bytes]) -> None:
    expected = with_lf(b"".join(tokens).decode("utf-8", "replace"))
    text = "".join(detokenise(tokens))
    # The only difference allowed: an incomplete character at the very end is dropped.
    assert text in (expected, expected.removesuffix("\ufffd"))


def test_a_character_waits_for_its_last_byte() -> None:
    assert detokenise([b"a\xf0", b"\x9f\x98", b"\x80b"]) == ["a", "", "😀b", ""]


def test_half_a_character_at_the_end_is_dropped() -> None:
    assert detokenise([b"ok", b"\xe6\x95"]) == ["ok", "", ""]


def test_line_ends_become_lf_wherever_they_are_cut() -> None:
    assert detokenise([b"a\r", b"\nb\r\n", b"c\r"]) == ["a", "\nb\n", "c", "\n"]


def test_markers_add_nothing() -> None:
    assert detokenise([b"a", b"", b"b"]) == ["a", "", "b", ""]
