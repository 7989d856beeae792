"""What a repository defines and what it holds that reads alike, kept in step with its files.

Reads text; runs nothing of the repository and needs no torch. One thread may change an index while
others ask it: a change is prepared aside and taken over at once.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fimserve.context.chunk import ChunkWords, split_into_chunks
from fimserve.context.languages import language_of
from fimserve.context.repository_files import list_files
from fimserve.context.similar_index import Similar, SimilarIndex
from fimserve.context.source_file import LeftOut, check_name, check_text, read_source
from fimserve.context.source_tags import Definition, FileTags, ParsingTooSlow, read_tags

__all__ = ["IndexedFile", "Place", "RepositoryIndex"]

MAX_FILES = 50_000
MAX_TEXT_CHARS = 256_000_000
"""Limits of one index, whose memory is a small multiple of its text."""


class Place(NamedTuple):
    """A definition and the file it stands in."""

    path: str
    definition: Definition


class IndexedFile(NamedTuple):
    """One file as the index knows it."""

    text: str
    language: str
    tags: FileTags


class RepositoryIndex:
    """Holds definitions and windows of all source files of a repository.

    Args:
        files: Paths inside the repository, with slashes, and texts. Those that are no source or are
            too large are left out and counted.
    """

    def __init__(self, files: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self.left_out: Counter[str] = Counter()
        """How many files were left out, by reason."""
        self._files: dict[str, IndexedFile] = {}
        self._symbols: dict[str, dict[str, list[Definition]]] = {}
        self._num_chars = 0
        self._lock = threading.RLock()
        for path, text in files.items() if isinstance(files, Mapping) else files:
            if (read := self._read(path, text)) is not None:
                self._hold(path, read)
        self._similar = SimilarIndex(self._windows())

    @classmethod
    def build(cls, root: Path, paths: Iterable[str] | None = None) -> "RepositoryIndex":
        """Return the index of a folder.

        Args:
            root: The folder, of a git repository or not.
            paths: Paths below it to read; None reads all that git does not ignore.

        Returns:
            The index.
        """
        refused: Counter[str] = Counter()

        def read_all() -> Iterator[tuple[str, str]]:
            for path in list_files(root) if paths is None else paths:
                try:
                    yield path, read_source(root, path)
                except LeftOut as error:
                    refused[error.reason] += 1

        index = cls(read_all())
        index.left_out += refused
        return index

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self._files)

    @property
    def paths(self) -> list[str]:
        """Paths of all files."""
        with self._lock:
            return list(self._files)

    def find_file(self, path: str) -> IndexedFile | None:
        """Return a file as it was indexed last, or None."""
        return self._files.get(path)

    def find_definitions(self, name: str) -> list[Place]:
        """Return the definitions of a name in all files."""
        with self._lock:
            by_path = self._symbols.get(name, {})
            return [Place(path, found) for path, all_ in by_path.items() for found in all_]

    def find_similar(self, words: Iterable[str], k: int, skipped: str = "") -> list[Similar]:
        """Return the windows that fit some words best, best first.

        Args:
            words: Words as `words_of` gives them.
            k: How many at most.
            skipped: Path of a file whose windows are not wanted.

        Returns:
            The windows and their scores.
        """
        with self._lock:
            return self._similar.search(words, k, skipped)

    def update(self, changed: Mapping[str, str | None]) -> None:
        """Take over files that changed, came or went.

        Args:
            changed: For each path the text now, or None where the file is gone.
        """
        read = {
            path: None if text is None else self._read(path, text, path not in self._files)
            for path, text in changed.items()
        }
        windows = {
            path: [] if file is None else list(split_into_chunks(path, file.text))
            for path, file in read.items()
        }
        prepared = self._similar.prepare(windows)
        with self._lock:
            for path, file in read.items():
                self._forget(path)
                if file is not None:
                    self._hold(path, file)
            self._similar.take_over(prepared)

    @property
    def needs_compaction(self) -> bool:
        """Whether so much has changed that questions get slower; see `compact`."""
        return self._similar.needs_compaction

    def compact(self) -> None:
        """Make the large index anew. Takes seconds; no other change may happen meanwhile."""
        fresh = SimilarIndex(self._windows())
        with self._lock:
            self._similar = fresh

    def _read(self, path: str, text: str, is_new: bool = True) -> IndexedFile | None:
        """Return a file with its tags; count it and return None where it is left out."""
        try:
            check_name(path)
            if is_new and (len(self._files) >= MAX_FILES or self._num_chars > MAX_TEXT_CHARS):
                raise LeftOut("memory")
            text = check_text(text.encode(errors="replace"))
        except LeftOut as error:
            self.left_out[error.reason] += 1
            return None
        language = language_of(path) or ""
        try:
            tags = read_tags(text, language, path)
        except ParsingTooSlow:
            # Its windows can still be found.
            self.left_out["tags: parsing too slow"] += 1
            tags = FileTags()
        return IndexedFile(text, language, tags)

    def _hold(self, path: str, file: IndexedFile) -> None:
        self._files[path] = file
        self._num_chars += len(file.text)
        for definition in file.tags.definitions:
            self._symbols.setdefault(definition.name, {}).setdefault(path, []).append(definition)

    def _forget(self, path: str) -> None:
        if (file := self._files.pop(path, None)) is None:
            return
        self._num_chars -= len(file.text)
        for definition in file.tags.definitions:
            by_path = self._symbols.get(definition.name, {})
            by_path.pop(path, None)
            if not by_path:
                self._symbols.pop(definition.name, None)

    def _windows(self) -> Iterator[ChunkWords]:
        for path, file in list(self._files.items()):
            yield from split_into_chunks(path, file.text)
