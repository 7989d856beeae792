"""Where the snippets of an example come from: the context room, over the files of one commit.

The same search serves editors, where the middle is not known. An index holds the text of all files
of a repository in the languages that are mined; it is the one part of mining whose memory grows
with a repository.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol

from fimcurriculum.mining.repository import Repository, as_tree_files
from fimcurriculum.schema import ExampleSnippet
from fimcurriculum.sources.clone import list_files, read_blobs
from fimcurriculum.sources.decode import decode_source
from fimcurriculum.sources.filters import MAX_BYTES, refuse_path
from fimcurriculum.sources.scrub import scrub
from fimserve.context import ProjectFinder, RepositoryIndex, find_snippets

__all__ = ["SnippetSource", "open_snippets"]

_SETTINGS = re.compile(r"package\.json|[jt]sconfig([.-][\w.-]+)?\.json")


class SnippetSource(Protocol):
    """Gives pieces of other files of one repository."""

    @property
    def left_out(self) -> Counter[str]:
        """Spans for which a program could not say where names are defined, by reason."""
        ...

    def find(self, path: str, prefix: str, middle: str, suffix: str) -> list[ExampleSnippet]:
        """Return pieces that explain a middle and do not hold it, most helpful first."""
        ...


@contextmanager
def open_snippets(
    repository: Repository,
    max_tokens: int,
    with_project: bool,
    dropped: Collection[str],
) -> Iterator[SnippetSource]:
    """Give the source of snippets of a repository.

    Args:
        repository: Whose files are looked into.
        max_tokens: Budget of the snippets of one example; 0 asks for none.
        with_project: Whether the TypeScript compiler and jedi are asked, which see more than names
            and need the files on the disk for as long.
        dropped: Paths of files that were left out and are not looked into: of those that hold
            evaluation data or have other terms no piece may come in either.

    Yields:
        SnippetSource: The source.
    """
    if max_tokens == 0:
        yield _NoSnippets()
        return
    with ExitStack() as stack:
        texts = dict(_read_texts(repository, dropped))
        finder = None
        if with_project:
            root = Path(stack.enter_context(TemporaryDirectory(prefix="fimserve-mine-")))
            _write_out(texts, root)
            _write_out(dict(_read_settings(repository)), root)
            finder = stack.enter_context(ProjectFinder(root))
        yield _ContextSnippets(RepositoryIndex(texts), max_tokens, finder)


class _NoSnippets:
    """Gives nothing: for recipes that ask for no context."""

    @property
    def left_out(self) -> Counter[str]:
        return Counter()

    def find(self, path: str, prefix: str, middle: str, suffix: str) -> list[ExampleSnippet]:
        return []


class _ContextSnippets:
    """Asks the context room."""

    def __init__(
        self, index: RepositoryIndex, max_tokens: int, finder: ProjectFinder | None
    ) -> None:
        self._index = index
        self._max_tokens = max_tokens
        self._finder = finder

    @property
    def left_out(self) -> Counter[str]:
        return Counter() if self._finder is None else self._finder.left_out

    def find(self, path: str, prefix: str, middle: str, suffix: str) -> list[ExampleSnippet]:
        found = find_snippets(
            self._index, path, prefix, middle, suffix, self._max_tokens, finder=self._finder
        )
        return [ExampleSnippet(each.path, each.text, each.reason) for each in found]


def _read_texts(repository: Repository, dropped: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the files that may be looked into, scrubbed like those that are mined."""
    wanted = tuple(file for file in repository.files if file.path not in dropped)
    for file, content in read_blobs(repository.git_dir, as_tree_files(wanted)):
        text = decode_source(content)
        if text is not None:
            yield file.path, scrub(text).text


def _read_settings(repository: Repository) -> Iterator[tuple[str, str]]:
    """Yield what tells the TypeScript compiler how modules are called, whatever is mined."""
    wanted = [
        file
        for file in list_files(repository.git_dir, repository.commit)
        if _SETTINGS.fullmatch(PurePosixPath(file.path).name)
        and file.num_bytes <= MAX_BYTES
        and refuse_path(file.path) is None
    ]
    for file, content in read_blobs(repository.git_dir, wanted):
        if (text := decode_source(content)) is not None:
            yield file.path, text


def _write_out(texts: dict[str, str], root: Path) -> None:
    for path, text in texts.items():
        # A commit made by hand can name a file outside of its tree.
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            continue
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
