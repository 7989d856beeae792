"""Pieces of other files for `fimserve complete`, from the git repository of the file."""

from pathlib import Path

from fimserve.cli.cursor import Cursor
from fimserve.prompt import Snippet

__all__ = ["find_context"]


def find_context(file: Path, cursor: Cursor) -> tuple[Snippet, ...]:
    """Return snippets for a cursor, after reading the repository; none outside of one.

    Args:
        file: The file.
        cursor: The text around the place.

    Returns:
        Snippets, most helpful first.
    """
    root = next((each for each in file.absolute().parents if (each / ".git").exists()), None)
    if root is None:
        return ()
    from fimserve.context import RepositoryIndex, find_snippets

    prefix, suffix = (text.replace("\r\n", "\n") for text in (cursor.prefix, cursor.suffix))
    found = find_snippets(RepositoryIndex.build(root), cursor.path, prefix, None, suffix)
    return tuple(Snippet(snippet.path, snippet.text) for snippet in found)
