"""From `FILE:LINE:COL` to the text before and after the cursor.

Lines and columns count from 1, as editors show them. The cursor stands before the character at
its column, so the column after the last character is the end of the line; a tab is one character.
"""

import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from fimserve.cli.failure import UsageFailure

__all__ = ["Cursor", "Place", "find_cursor", "parse_place", "read_source", "repository_path"]

MAX_FILE_BYTES = 16_777_216
"""Largest file that is read; nobody completes by hand in a larger one."""

MAX_PREFIX_CHARS = 98_304
MAX_SUFFIX_CHARS = 32_768
"""Text sent around the cursor: more than any served context, less than a server's cap."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position as the user wrote it; nothing is checked against the file yet."""

    file: Path
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """The text on both sides of a position, and the path the model is told."""

    prefix: str
    suffix: str
    path: str


def parse_place(text: str) -> Place:
    """Return the place that `FILE:LINE:COL` names; FILE may hold colons.

    Args:
        text: What the user wrote.

    Returns:
        The place, not yet looked for in the file.

    Raises:
        UsageFailure: If line or column is missing or not a whole number above 0.
    """
    file, *numbers = text.rsplit(":", 2)
    if not file or len(numbers) != 2 or not all(_is_position(number) for number in numbers):
        raise UsageFailure(
            f"place is {text!r}; write FILE:LINE:COL with line and column from 1, "
            "for example app.py:12:5"
        )
    return Place(Path(file), int(numbers[0]), int(numbers[1]))


def _is_position(number: str) -> bool:
    # At most 9 digits: more is a typing mistake, and int() refuses thousands of them.
    return number.isascii() and number.isdecimal() and len(number) <= 9 and int(number) > 0


def read_source(file: Path, from_stdin: bool) -> str:
    """Return the text to complete in, line ends as they are.

    Args:
        file: The file; only its name matters when the text comes from standard input.
        from_stdin: Whether standard input holds the text, for instance an unsaved buffer.

    Returns:
        The text without a byte order mark.

    Raises:
        UsageFailure: If the text cannot be read or is not UTF-8 text.
    """
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if from_stdin else _read_file(file)
    name = "standard input" if from_stdin else str(file)
    if len(data) > MAX_FILE_BYTES:
        raise UsageFailure(f"{name} is larger than {MAX_FILE_BYTES} bytes, the limit")
    if b"\0" in data:
        raise UsageFailure(f"{name} is a binary file; only text can be completed")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageFailure(
            f"{name} is not UTF-8 text (byte {error.start}); convert it first"
        ) from None


def _read_file(file: Path) -> bytes:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise UsageFailure(f"{file} is not a regular file")
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise UsageFailure(
            f"{file} does not exist; with --stdin it is only a name for the text piped in"
        ) from None
    except OSError as error:
        raise UsageFailure(f"cannot read {file}: {error.strerror}") from None


def find_cursor(source: str, place: Place) -> Cursor:
    """Return the text around a place.

    Args:
        source: The whole text.
        place: Where the cursor stands.

    Returns:
        The text on both sides, as much of it as a model can use.

    Raises:
        UsageFailure: If the text has no such line or column, naming the allowed range.
    """
    lines = source.split("\n")
    if place.line > len(lines):
        raise UsageFailure(f"line is {place.line}; {place.file} has lines 1 to {len(lines)}")
    num_chars = len(lines[place.line - 1].removesuffix("\r"))
    if place.column > num_chars + 1:
        raise UsageFailure(
            f"column is {place.column}; line {place.line} of {place.file} "
            f"has columns 1 to {num_chars + 1}"
        )
    offset = sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1
    return Cursor(
        prefix=source[max(0, offset - MAX_PREFIX_CHARS) : offset],
        suffix=source[offset : offset + MAX_SUFFIX_CHARS],
        path=repository_path(place.file),
    )


def repository_path(file: Path) -> str:
    """Return the path of file inside its repository, or below the current directory.

    Models were shown such paths in training, and a path of this machine is nobody's business.
    """
    absolute = file.absolute()
    roots = [parent for parent in absolute.parents if (parent / ".git").exists()]
    for root in (*roots[:1], Path.cwd()):
        if absolute.is_relative_to(root):
            return absolute.relative_to(root).as_posix()
    return file.name
