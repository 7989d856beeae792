"""`FILE:LINE:COL` and the text on both sides of it; █ is the cursor."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.cli.cursor import (
    MAX_PREFIX_CHARS,
    MAX_SUFFIX_CHARS,
    Place,
    find_cursor,
    parse_place,
    read_source,
    repository_path,
)
from fimserve.cli.failure import UsageFailure

MEAN = "def mean(xs):\n\treturn\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("app.py:12:5", Place(Path("app.py"), 12, 5)),
        ("C:\\x\\a.py:1:2", Place(Path("C:\\x\\a.py"), 1, 2)),
        ("odd:name:3.py:1:1", Place(Path("odd:name:3.py"), 1, 1)),
        ("12:5:1:1", Place(Path("12:5"), 1, 1)),
    ],
)
def test_place_is_read_from_its_right_end(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text",
    ["a.py", "a.py:1", ":1:1", "a.py:0:1", "a.py:1:0", "a.py:-1:1", "a.py:x:1", "a.py:1:1.5",
     "a.py:1:", "a.py:²:1", "a.py:1:99999999999"],
)  # fmt: skip
def test_place_without_line_and_column_is_refused(text: str) -> None:
    with pytest.raises(UsageFailure, match="FILE:LINE:COL"):
        parse_place(text)


def mark(source: str, line: int, column: int) -> str:
    """Return the source with a mark where the cursor stands."""
    cursor = find_cursor(source, Place(Path("a.py"), line, column))
    return f"{cursor.prefix}█{cursor.suffix}"


@pytest.mark.parametrize(
    ("line", "column", "marked"),
    [
        (1, 1, "█def mean(xs):\n\treturn\n"),
        (1, 4, "def█ mean(xs):\n\treturn\n"),
        (1, 14, "def mean(xs):█\n\treturn\n"),
        (2, 1, "def mean(xs):\n█\treturn\n"),
        (2, 2, "def mean(xs):\n\t█return\n"),
        (2, 8, "def mean(xs):\n\treturn█\n"),
        (3, 1, "def mean(xs):\n\treturn\n█"),
    ],
)
def test_cursor_stands_before_the_character_at_its_column(
    line: int, column: int, marked: str
) -> None:
    assert mark(MEAN, line, column) == marked


def test_line_ends_stay_and_are_no_columns() -> None:
    assert mark("a\r\nb\r\n", 1, 2) == "a█\r\nb\r\n"
    assert mark("a\r\nb\r\n", 2, 1) == "a\r\n█b\r\n"
    with pytest.raises(UsageFailure, match="columns 1 to 2"):
        mark("a\r\nb\r\n", 1, 3)


def test_columns_count_characters_not_bytes() -> None:
    assert mark("größe 😀x", 1, 8) == "größe 😀█x"


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        (4, 1, r"line is 4; a\.py has lines 1 to 3"),
        (1, 15, r"column is 15; line 1 of a\.py has columns 1 to 14"),
        (3, 2, r"column is 2; line 3 of a\.py has columns 1 to 1"),
    ],
)
def test_place_outside_the_text_is_refused_with_the_range(
    line: int, column: int, words: str
) -> None:
    with pytest.raises(UsageFailure, match=words):
        mark(MEAN, line, column)


@given(
    source=st.text(st.sampled_from("ab é\n\t\r"), max_size=40),
    line=st.integers(1, 5),
    column=st.integers(1, 9),
)
def test_both_sides_always_join_to_the_source(source: str, line: int, column: int) -> None:
    try:
        cursor = find_cursor(source, Place(Path("a.py"), line, column))
    except UsageFailure:
        return
    assert cursor.prefix + cursor.suffix == source
    assert cursor.prefix.count("\n") == line - 1
    assert len(cursor.prefix.rpartition("\n")[2]) == column - 1


def test_long_files_are_cut_to_what_stands_near_the_cursor() -> None:
    source = "p" * 200_000 + "\n" + "s" * 200_000
    cursor = find_cursor(source, Place(Path("a.py"), 2, 1))
    assert cursor.prefix == "p" * (MAX_PREFIX_CHARS - 1) + "\n"
    assert cursor.suffix == "s" * MAX_SUFFIX_CHARS


def test_source_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    assert read_source(file, from_stdin=False) == "x = 1\r\n"


def test_source_can_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x = \n")))
    assert read_source(Path("unsaved.py"), from_stdin=True) == "x = \n"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x7fELF\0", "binary"), (b"caf\xe9", r"not UTF-8 text \(byte 3\)")],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(content)
    with pytest.raises(UsageFailure, match=words):
        read_source(file, from_stdin=False)


def test_missing_file_directory_and_device_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageFailure, match="does not exist"):
        read_source(tmp_path / "nowhere.py", from_stdin=False)
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(UsageFailure, match="not a regular file"):
            read_source(path, from_stdin=False)


def test_path_is_told_as_the_repository_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path / "plain")
    assert repository_path(tmp_path / "repo" / "src" / "a.py") == "src/a.py"
    assert repository_path(Path("pkg/b.py")) == "pkg/b.py"
    assert repository_path(tmp_path / "c.py") == "c.py"
