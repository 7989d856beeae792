"""The path that a model is told for a document: inside its repository, never of this machine."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from pygls.uris import to_fs_path

__all__ = ["find_document_path"]

MAX_PATH_CHARS = 1024


def find_document_path(uri: str, folder_uris: Sequence[str]) -> str | None:
    """Return the path of a document below its repository, or below the editor's folder.

    Args:
        uri: The document.
        folder_uris: Folders that are open in the editor.

    Returns:
        A path with slashes; the bare name where the file lies in neither, None without a name.
    """
    path = _find(uri, folder_uris)
    if len(path) > MAX_PATH_CHARS:
        path = PurePosixPath(path).name
    return path if path and path.isprintable() and len(path) <= MAX_PATH_CHARS else None


def _find(uri: str, folder_uris: Sequence[str]) -> str:
    if not uri.startswith("file:"):
        # A document that has no file yet, such as untitled:Untitled-1.py
        return PurePosixPath(unquote(urlsplit(uri).path)).name
    file = Path(to_fs_path(uri) or "")
    roots = [parent for parent in file.parents if (parent / ".git").exists()][:1]
    roots += [Path(path) for folder in folder_uris if (path := to_fs_path(folder))]
    for root in roots:
        if file.is_relative_to(root):
            return file.relative_to(root).as_posix()
    return file.name
