"""Where a completion ends by indentation, however its text is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.server.routes.llama_cpp_indent import IndentLimit


def cut(text: str, min_chars: int, sizes: list[int] | None = None) -> tuple[str, bool]:
    limit = IndentLimit(min_chars)
    shown = ""
    for size in sizes or []:
        shown += limit.feed(text[:size])
        text = text[size:]
    shown += limit.feed(text) + limit.flush()
    return shown, limit.is_reached


@pytest.mark.parametrize(
    ("text", "min_chars", "kept"),
    [
        ("a\nb", 0, "a\nb"),
        ("a\nb", 1, "a"),
        ("  a\n  b\n c", 2, "  a\n  b"),
        ("a\n\tb\nc", 1, "a\n\tb"),
        ("a\n\n  b\n\nc", 2, "a\n\n  b"),
        ("a\n   \n  b", 2, "a\n   \n  b"),
        ("a\r\n  b\r\nc", 2, "a\r\n  b"),
        ("a\r\n\r\n  b", 2, "a\r\n\r\n  b"),
        ("a\n", 2, "a\n"),
        ("a\n  ", 2, "a\n  "),
        ("", 2, ""),
        ("\nb", 2, ""),
        ("a\rb", 2, "a\rb"),
    ],
)
def test_the_first_line_indented_less_is_dropped(text: str, min_chars: int, kept: str) -> None:
    assert cut(text, min_chars) == (kept, kept != text)


@given(
    text=st.text(st.sampled_from("ab \t\n\r"), max_size=30),
    min_chars=st.integers(0, 4),
    sizes=st.lists(st.integers(0, 6), max_size=10),
)
def test_pieces_make_no_difference(text: str, min_chars: int, sizes: list[int]) -> None:
    assert cut(text, min_chars, sizes) == cut(text, min_chars)
