"""Accepted texts under later edits, and what is left of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.lsp.document import Edit
from fimserve.lsp.tracked_range import TrackedRange, compare_texts


def after(edit: Edit) -> str:
    """Return what is tracked of `MIDDLE` in `left MIDDLE right` after an edit."""
    text = "left MIDDLE right"
    tracked = TrackedRange(5, 11)
    tracked.move(edit)
    text = text[: edit.start] + edit.inserted + text[edit.end :]
    return "" if tracked.is_empty else text[tracked.start : tracked.end]


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        (Edit(0, 0, "new\n"), "MIDDLE"),
        (Edit(0, 5, ""), "MIDDLE"),
        (Edit(5, 0, "x"), "MIDDLE"),  # at the left border: not inside
        (Edit(11, 0, "x"), "MIDDLE"),  # at the right border: not inside
        (Edit(12, 5, "x"), "MIDDLE"),
        (Edit(7, 0, "xx"), "MIxxDDLE"),
        (Edit(7, 2, ""), "MILE"),
        (Edit(5, 6, "x"), "x"),
        (Edit(3, 4, "yyy"), "DDLE"),
        (Edit(9, 4, "yyy"), "MIDD"),
        (Edit(0, 17, "y"), ""),
        (Edit(5, 6, ""), ""),
    ],
)
def test_range_follows_edits(edit: Edit, left: str) -> None:
    assert after(edit) == left


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 9), st.text(alphabet="xy", max_size=3)),
        max_size=8,
    )
)
def test_no_edits_take_the_range_out_of_the_text(edits: list[tuple[int, int, str]]) -> None:
    text = "left MIDDLE right"
    tracked = TrackedRange(5, 11)
    for start, num_removed, inserted in edits:
        start = min(start, len(text))
        edit = Edit(start, min(num_removed, len(text) - start), inserted)
        tracked.move(edit)
        text = text[: edit.start] + edit.inserted + text[edit.end :]
        assert tracked.is_empty or 0 <= tracked.start < tracked.end <= len(text)


@pytest.mark.parametrize(
    ("initial", "current", "difference", "retained"),
    [
        ("0123456789", "0123456789", 0.0, 10),
        ("0123456789", "0123456xyz", 0.3, 7),
        ("012345678", "012345", 3 / 9, 6),
        ("0123", "0123abcd", 0.5, 4),
        ("0123", "", 1.0, 0),
        ("😀a", "😀b", 1 / 3, 2),
        ("😀", "😁", 0.5, 1),  # two units each, and the first one is the same
    ],
)
def test_difference_is_levenshtein_by_the_longer_length(
    initial: str, current: str, difference: float, retained: int
) -> None:
    remains = compare_texts(initial, current)
    assert remains.difference == pytest.approx(difference)
    assert remains.retained_chars == retained
