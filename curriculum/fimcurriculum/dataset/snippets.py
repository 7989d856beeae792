"""Where the snippets of an example come from."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from fimcurriculum.mining.repository import Repository
from fimcurriculum.schema import ExampleSnippet

__all__ = ["NoSnippets", "SnippetSource", "open_snippets"]


class SnippetSource(Protocol):
    """Gives pieces of other files of one repository."""

    def find(self, path: str, prefix: str, middle: str, suffix: str) -> Iterable[ExampleSnippet]:
        """Return pieces that explain a middle and do not hold it, most helpful first."""
        ...


class NoSnippets:
    """Gives nothing: for recipes that ask for no context."""

    def find(self, path: str, prefix: str, middle: str, suffix: str) -> list[ExampleSnippet]:
        """Return nothing."""
        return []


@contextmanager
def open_snippets(repository: Repository, max_tokens: int) -> Iterator[SnippetSource]:
    """Give the source of snippets of a repository.

    Args:
        repository: Whose files are looked into.
        max_tokens: Budget of the snippets of one example; 0 asks for none.

    Yields:
        SnippetSource: The source.
    """
    yield NoSnippets()
