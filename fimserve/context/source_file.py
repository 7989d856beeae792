"""Reads one file of a repository, or says why it is left out.

Nothing is followed out of the repository: a symbolic link is left out whatever it points to.
"""

import os
import stat
from pathlib import Path
from typing import Literal

from fimserve.context.languages import language_of

__all__ = ["MAX_FILE_BYTES", "LeftOut", "Reason", "check_name", "check_text", "read_source"]

Reason = Literal[
    "binary", "encoding", "language", "large", "link", "memory", "minified", "missing", "name"
]
"""`language`: none of ours; `link`: a symbolic link or no regular file; `memory`: the index is
full; `name`: a path that no prompt can hold."""

MAX_FILE_BYTES = 1_000_000
MAX_PATH_CHARS = 1024
MAX_LINE_CHARS = 5_000
MAX_MEAN_LINE_CHARS = 300
"""Lines longer than these were written by programs."""


class LeftOut(Exception):
    """A file is not indexed.

    Args:
        reason: Why.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def check_name(path: str) -> None:
    """Raise LeftOut where a path has no place in the index.

    Args:
        path: Path inside the repository.

    Raises:
        LeftOut: If its language is not ours, or no prompt can hold it.
    """
    if not path.isprintable() or len(path) > MAX_PATH_CHARS:
        raise LeftOut("name")
    if language_of(path) is None:
        raise LeftOut("language")


def read_source(root: Path, path: str) -> str:
    """Return the text of a file, line ends as LF.

    Args:
        root: The repository.
        path: Path inside it.

    Returns:
        The text.

    Raises:
        LeftOut: If it is not one to index.
    """
    check_name(path)
    try:
        # Opened first and looked at then, so that what is checked is what is read; a pipe or a
        # device would otherwise be waited for.
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise LeftOut("missing" if isinstance(error, FileNotFoundError) else "link") from None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LeftOut("link")
        data = opened.read(MAX_FILE_BYTES + 1)
    return check_text(data)


def check_text(data: bytes) -> str:
    """Return the text that some bytes are, line ends as LF.

    Args:
        data: Content of a file, or more than the limit of it.

    Returns:
        The text, without a byte order mark.

    Raises:
        LeftOut: If it is too large, no text, or written by a program.
    """
    if len(data) > MAX_FILE_BYTES:
        raise LeftOut("large")
    if b"\0" in data:
        raise LeftOut("binary")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LeftOut("encoding") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    num_lines = text.count("\n") + 1
    if len(text) > num_lines * MAX_MEAN_LINE_CHARS or _has_long_line(text):
        raise LeftOut("minified")
    return text


def _has_long_line(text: str) -> bool:
    return len(text) > MAX_LINE_CHARS and max(map(len, text.split("\n"))) > MAX_LINE_CHARS
