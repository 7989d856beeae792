"""Documents that follow an editor's changes, against one that is a plain string."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.lsp.document import Document, Edit, Place, normalise_line_ends

LINE_END = re.compile("\r\n|\n|\r")
ANY_TEXT = st.text(alphabet="ab\r\n\f\u2028\x85😀", max_size=12)
FILE_TEXT = st.text(alphabet="ab\n\u2028😀", max_size=12)
Change = tuple[int, int, str]


def make(text: str) -> Document:
    """Return a document of this text."""
    return Document("file:///w/a.py", text, "python")


def pick(text: str, number: int) -> Place:
    """Return the place of a text that a number stands for."""
    lines = LINE_END.split(text)
    line = number % len(lines)
    return Place(line, number // 7 % (len(lines[line]) + 1))


def splice(text: str, start: Place, end: Place, inserted: str) -> str:
    """Return text after a change, without lines being kept: the slow twin of `replace`."""
    starts = [0, *(found.end() for found in LINE_END.finditer(text))]
    first, last = starts[start.line] + start.column, starts[end.line] + end.column
    return text[:first] + inserted + text[last:]


@given(
    text=ANY_TEXT,
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200), ANY_TEXT), max_size=6),
)
def test_any_changes_leave_the_text_that_a_string_would_have(
    text: str, changes: list[Change]
) -> None:
    document = make(text)
    for first, last, inserted in changes:
        start, end = sorted((pick(text, first), pick(text, last)))
        text = splice(text, start, end, inserted)
        document.replace(start, end, inserted)
        assert document.text == text
        assert document.num_lines == len(LINE_END.split(text))


@given(text=FILE_TEXT, first=st.integers(0, 99), last=st.integers(0, 99), inserted=FILE_TEXT)
def test_edit_says_what_a_change_did(text: str, first: int, last: int, inserted: str) -> None:
    document = make(text)
    start, end = sorted((pick(text, first), pick(text, last)))
    edit = document.replace(start, end, inserted)
    assert text[: edit.start] + edit.inserted + text[edit.end :] == document.text
    assert (document.num_edits == 0) == (document.text == text)


@given(before=ANY_TEXT, after=ANY_TEXT)
def test_whole_new_text_is_an_edit_where_it_differs(before: str, after: str) -> None:
    document = make(before)
    edit = document.replace_all(after)
    flat = normalise_line_ends(before)
    assert document.text == after
    assert flat[: edit.start] + edit.inserted + flat[edit.end :] == normalise_line_ends(after)


@given(text=ANY_TEXT, number=st.integers(0, 99))
def test_places_come_back_from_offsets(text: str, number: int) -> None:
    document = make(text)
    place = pick(text, number)
    assert document.place_at(document.offset_of(place)) == place


@given(text=ANY_TEXT, start=st.integers(-3, 20), end=st.integers(-3, 20))
def test_slices_are_those_of_the_text_with_plain_line_ends(text: str, start: int, end: int) -> None:
    flat = normalise_line_ends(text)
    assert make(text).slice(start, end) == flat[max(0, start) : max(0, end)]


@pytest.mark.parametrize("char", ["\f", "\v", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_other_character_ends_a_line(char: str) -> None:
    document = make(f"a{char}b\nc")
    assert document.num_lines == 2
    assert document.line(0) == f"a{char}b"


def test_windows_line_ends_stay_in_the_file_and_leave_what_is_read() -> None:
    document = make("a\r\nb\r\n")
    document.replace(Place(1, 0), Place(1, 1), "x\r\ny")
    assert document.text == "a\r\nx\r\ny\r\n"
    assert document.slice(0, 99) == "a\nx\ny\n"
    assert document.offset_of(Place(2, 1)) == 5


def test_change_at_the_end_of_a_document_without_a_last_line_end() -> None:
    document = make("a")
    document.replace(document.place_of(9, 9), document.place_of(9, 9), "\nb")
    assert document.text == "a\nb"


def test_positions_count_surrogates_in_utf16_and_bytes_in_utf8() -> None:
    text = "s = '😀'"
    for encoding, units in (("utf-16", 7), ("utf-8", 9), ("utf-32", 6)):
        document = Document("u", text, "python", encoding=encoding)  # type: ignore[arg-type]
        assert document.place_of(0, units) == Place(0, 6)
        assert document.units_before(Place(0, 6)) == units


def test_typing_into_eight_thousand_lines_touches_one() -> None:
    document = make("".join(f"line_{number} = {number}  # 😀\r\n" for number in range(8_000)))
    place = document.place_of(7_000, 4)
    edit = document.replace(place, place, "x")
    assert edit == Edit(document.offset_of(place), 0, "x")
    assert document.line(7_000) == "linex_7000 = 7000  # 😀"
    assert document.num_lines == 8_001
