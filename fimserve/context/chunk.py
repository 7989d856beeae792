"""Windows of lines: what similar text is searched in."""

from collections.abc import Iterator
from typing import NamedTuple

from fimserve.context.words import words_of

__all__ = ["CHUNK_LINES", "Chunk", "ChunkWords", "split_into_chunks"]

CHUNK_LINES = 16
"""Three such windows fill a quarter of a prompt of 2,048 tokens."""
MIN_WORDS = 4


class Chunk(NamedTuple):
    """Some lines of a file."""

    path: str
    start_line: int
    """First line, counted from 0."""
    end_line: int
    """Line behind the last one."""


class ChunkWords(NamedTuple):
    """A window and the words in it, which are many: they are let go once they are indexed."""

    chunk: Chunk
    words: list[str]


def split_into_chunks(path: str, text: str) -> Iterator[ChunkWords]:
    """Return the windows of a file, side by side; those with hardly a word are left out.

    Args:
        path: Path of the file.
        text: Its text, line ends as LF.

    Yields:
        ChunkWords: A window and its words.
    """
    lines = text.split("\n")
    for start in range(0, len(lines), CHUNK_LINES):
        end = min(start + CHUNK_LINES, len(lines))
        words = words_of("\n".join(lines[start:end]))
        if len(words) >= MIN_WORDS:
            yield ChunkWords(Chunk(path, start, end), words)
