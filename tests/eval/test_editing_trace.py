"""The prompts of the latency benchmark: how long, how distinct, and what typing does to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimeval.editing_trace import (
    CHARS_PER_TOKEN,
    PromptShape,
    cut_distinct,
    cut_typing,
    load_source_text,
    make_shape,
    rotate,
)
from fimeval.errors import EvalError

SHAPE = PromptShape(prefix_chars=30, suffix_chars=15, hole_chars=8)
TEXT = "".join(f"line {number:03}\n" for number in range(100))


def test_the_sources_are_found_beside_the_package_and_are_long_enough_for_a_default_run() -> None:
    text = load_source_text()
    assert "def load_source_text(" in text
    assert len(text) > 25 * make_shape(1024, 256, 32).num_chars


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(EvalError, match="no_such_package is not installed"):
        load_source_text(["no_such_package"])


def test_a_shape_leaves_out_more_than_an_answer_can_hold() -> None:
    shape = make_shape(1000, 250, 32)
    assert shape.prefix_chars == 1000 * CHARS_PER_TOKEN
    assert shape.suffix_chars == 250 * CHARS_PER_TOKEN
    assert shape.hole_chars > 32 * CHARS_PER_TOKEN


def test_distinct_places_share_no_text_and_begin_a_line() -> None:
    places = cut_distinct(TEXT, SHAPE, 16)
    assert len(places) == 16
    cursor = 0
    for place in places:
        assert place.prefix.endswith("\n")
        assert SHAPE.prefix_chars - 9 < len(place.prefix) <= SHAPE.prefix_chars
        assert len(place.suffix) == SHAPE.suffix_chars
        start = TEXT.index(place.prefix, cursor)
        cursor = TEXT.index(place.suffix, start + len(place.prefix)) + len(place.suffix)


def test_more_places_than_the_text_holds_are_refused_with_both_numbers() -> None:
    with pytest.raises(EvalError, match=r"17 distinct prompts .* hold 16 of 53 characters"):
        cut_distinct(TEXT[: 16 * 53 + 52], SHAPE, 17)


@given(num_places=st.integers(1, 40), skipped=st.integers(0, 200))
def test_typing_adds_one_character_of_the_source_each_time(num_places: int, skipped: int) -> None:
    text = TEXT[skipped:]
    places = cut_typing(text, SHAPE, num_places)
    assert [len(place.prefix) for place in places] == [
        len(places[0].prefix) + typed for typed in range(num_places)
    ]
    assert all(text.startswith(place.prefix) for place in places)
    assert len({place.suffix for place in places}) == 1
    end = len(places[-1].prefix) + SHAPE.hole_chars
    assert text[end:].startswith(places[-1].suffix)
    assert len(places[-1].suffix) == SHAPE.suffix_chars


def test_typing_needs_enough_text() -> None:
    shortest = TEXT[: SHAPE.num_chars + 9]
    assert len(cut_typing(shortest, SHAPE, 10)) == 10
    with pytest.raises(EvalError, match=r"needs 63 characters .* there are 62"):
        cut_typing(shortest, SHAPE, 11)


def test_a_prefix_without_a_line_end_is_cut_anywhere() -> None:
    (place,) = cut_typing("x" * 100, SHAPE, 1)
    assert len(place.prefix) == SHAPE.prefix_chars


@given(text=st.text(max_size=20), num_chars=st.integers(0, 50))
def test_rotating_keeps_every_character(text: str, num_chars: int) -> None:
    rotated = rotate(text, num_chars)
    assert sorted(rotated) == sorted(text)
    assert rotated in text + text
