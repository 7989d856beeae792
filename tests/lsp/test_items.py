"""What may be offered: an item that adds something, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from fimserve.lsp.document import Document
from fimserve.lsp.items import Item, Spot, find_spot, hangs_on_next_lines, make_item


def offer(
    shown: str, text: str, selected: types.SelectedCompletionInfo | None = None
) -> Item | None:
    """Return the item for a completion at the cursor █ of a document."""
    before, after = shown.split("█")
    document = Document("file:///w/a.py", before + after, "python")
    column = len(before.rpartition("\n")[2])
    position = types.Position(before.count("\n"), column)
    spot = find_spot(document, position, selected)
    return spot and make_item(document, spot, text, "cmpl-1")


def select(start: int, end: int, text: str, end_line: int = 0) -> types.SelectedCompletionInfo:
    """Return what an editor says of a menu entry."""
    return types.SelectedCompletionInfo(
        range=types.Range(types.Position(0, start), types.Position(end_line, end)), text=text
    )


def test_item_is_inserted_at_the_cursor_and_reports_its_acceptance() -> None:
    shown = "def area(r):\n    return █\n"
    document = Document("file:///w/geo.py", shown.replace("█", ""), "python")
    item = offer(shown, "3.14 * r")
    assert item is not None
    wanted = types.Range(types.Position(1, 11), types.Position(1, 11))
    assert item.to_lsp(document) == types.InlineCompletionItem(
        insert_text="3.14 * r",
        range=wanted,
        command=types.Command(title="accepted", command="fimserve.didAccept", arguments=["cmpl-1"]),
    )


def test_range_counts_in_the_editors_unit() -> None:
    document = Document("file:///w/a.py", "s = '😀' + ", "python", encoding="utf-16")
    spot = find_spot(document, types.Position(0, 11), None)
    assert spot is not None
    item = make_item(document, spot, "t", "cmpl-1")
    assert item is not None
    assert item.to_lsp(document).range == types.Range(types.Position(0, 11), types.Position(0, 11))


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("f(█)\n", ")"),
        ("f(█)\n", ")\ng()"),
        ("def f():█\n", "\n    "),
        ("x = █\n", ""),
        ("x = █\n", "  \n  "),
    ],
)
def test_what_adds_nothing_to_the_first_line_is_left_out(shown: str, text: str) -> None:
    assert offer(shown, text) is None


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("f(█)\n", "x"),
        ("f(█)\n", "x)\ng("),
        ("x = █\n", "1\ny = 2"),
        ("█", "x"),
        ("█", "\nx"),
        ("def f():█\n", "\n    return 1"),
    ],
)
def test_what_adds_something_is_offered(shown: str, text: str) -> None:
    item = offer(shown, text)
    assert item is not None
    assert item.text == text


@pytest.mark.parametrize(
    ("editor", "version", "hangs"),
    [
        ("Neovim", "0.12.0-dev-1234+gabcdef", True),
        ("Neovim", "0.12.0-dev", True),
        ("Neovim", "0.12.0", False),
        ("Neovim", "0.12.2", False),
        ("Neovim", "0.11.4", False),
        ("Neovim", None, False),
        ("Emacs", "0.12.0-dev", False),
        (None, None, False),
    ],
)
def test_neovim_hangs_in_versions_that_were_not_released(
    editor: str | None, version: str | None, hangs: bool
) -> None:
    assert hangs_on_next_lines(editor, version) is hangs


def neovim_would_hang(line_behind_start: str, inserted: str) -> bool:
    """Return whether Neovim's search for the first difference would pass both ends."""
    first_line = inserted.split("\n")[0]
    return line_behind_start.encode() == first_line.encode()


@given(
    rest=st.text(alphabet="a)é\t ", max_size=4),
    text=st.text(alphabet="a)é\t \n", max_size=6),
    given=st.text(alphabet="a)", max_size=2),
)
def test_no_item_hangs_neovim(rest: str, text: str, given: str) -> None:
    document = Document("file:///w/a.py", rest, "python")
    start = document.place_of(0, 0)
    item = make_item(document, Spot(start, start, given), text, "cmpl-1", below=False)
    assert item is None or not neovim_would_hang(rest, item.text)


def test_item_extends_the_chosen_menu_entry_over_its_range() -> None:
    item = offer("x = pri█\n", "(x)", select(4, 7, "print"))
    assert item is not None
    assert item.text == "print(x)"
    assert (item.spot.start.column, item.spot.end.column) == (4, 7)
    assert item.num_added_units == 3


def test_chosen_menu_entry_that_is_not_extended_has_no_item() -> None:
    assert offer("x = pri█\n", "", select(4, 7, "print")) is None


def test_range_over_several_lines_has_no_item() -> None:
    assert offer("x = pri█\ny\n", "(x)", select(4, 1, "print", end_line=1)) is None
