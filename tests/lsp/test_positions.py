"""Columns in the unit that was agreed on with the editor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.lsp.positions import ENCODINGS, Encoding, to_column, to_units, utf16_units

LINE = "a = 'é😀'"


@pytest.mark.parametrize(("encoding", "units"), [("utf-8", 11), ("utf-16", 8), ("utf-32", 7)])
def test_emoji_takes_as_many_units_as_the_encoding_says(encoding: Encoding, units: int) -> None:
    column = LINE.index("😀") + 1
    assert to_units(LINE, column, encoding) == units
    assert to_column(LINE, units, encoding) == column


@given(line=st.text(max_size=20), encoding=st.sampled_from(ENCODINGS), data=st.data())
def test_columns_come_back_from_units(line: str, encoding: Encoding, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, len(line)))
    assert to_column(line, to_units(line, column, encoding), encoding) == column


@given(line=st.text(max_size=20), encoding=st.sampled_from(ENCODINGS), units=st.integers(0, 99))
def test_any_number_of_units_is_a_column_of_the_line(
    line: str, encoding: Encoding, units: int
) -> None:
    column = to_column(line, units, encoding)
    assert 0 <= column <= len(line)
    # Never to the right of what was meant.
    assert to_units(line, column, encoding) <= units


@pytest.mark.parametrize(("encoding", "units"), [("utf-16", 1), ("utf-8", 1), ("utf-8", 3)])
def test_place_inside_a_character_is_its_beginning(encoding: Encoding, units: int) -> None:
    assert to_column("😀x", units, encoding) == 0


def test_half_a_surrogate_pair_is_a_character() -> None:
    assert to_units("\ud83dx", 1, "utf-8") == 3
    assert to_column("\ud83dx", 3, "utf-8") == 1
    assert utf16_units("\ud83dx") == 2
