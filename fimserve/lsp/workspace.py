"""Pieces of other files for a completion, from the git repositories that are open in the editor.

Each repository has an index, made by a thread of its own from the moment a first document of it is
opened (`fimserve.context`). Nobody waits for it: what is not found in a few milliseconds is not
sent.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pygls.uris import to_fs_path

from fimserve.context import BackgroundIndex, Snippet
from fimserve.lsp.document import Document, Place
from fimserve.lsp.surroundings import Surroundings

__all__ = ["Workspace"]

logger = logging.getLogger(__name__)

MAX_REPOSITORIES = 4
MAX_WAIT_S = 0.02
MAX_TOKENS = 512
"""Budget of the snippets: the quarter of a prompt of 2,048 tokens that the server gives them."""
HELD_LINES = 12
"""Lines that the cursor may move before other snippets are looked for: they stand at the front of a
prompt, so other ones let the server compute all of it again."""
SETTLE_S = 0.4
"""After the last keystroke the index takes over what was typed."""


class _Home(NamedTuple):
    """Where a document belongs."""

    repository: BackgroundIndex
    path: str


@dataclass(frozen=True, slots=True)
class _Held:
    """Snippets that were sent last for a document."""

    line: int
    snippets: tuple[Snippet, ...]


class Workspace:
    """Finds snippets for open documents.

    Args:
        folder_uris: Folders that are open in the editor.
    """

    def __init__(self, folder_uris: Sequence[str]) -> None:
        self._folders = [Path(path).resolve() for uri in folder_uris if (path := to_fs_path(uri))]
        self._indexes: dict[Path, BackgroundIndex] = {}
        self._homes: dict[str, _Home] = {}
        self._held: dict[str, _Held] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def open(self, uri: str) -> None:
        """Find the repository of a document, and begin to read it."""
        if uri.startswith("file:") and (home := self._find_home(uri)) is not None:
            self._homes[uri] = home

    def change(self, document: Document) -> None:
        """Let the index follow a document once nobody has typed in it for a moment."""
        if (home := self._homes.get(document.uri)) is None:
            return
        if (timer := self._timers.pop(document.uri, None)) is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[document.uri] = loop.call_later(SETTLE_S, self._note, document, home)

    def close(self, uri: str) -> None:
        """Forget a document; its file on the disk is what counts now."""
        if (timer := self._timers.pop(uri, None)) is not None:
            timer.cancel()
        self._held.pop(uri, None)
        if (home := self._homes.pop(uri, None)) is not None:
            home.repository.note_disk([home.path])

    def note_files(self, uris: Sequence[str]) -> None:
        """Look again at files that changed on the disk, those open in the editor left out."""
        for uri in uris:
            file = Path(to_fs_path(uri) or "")
            for root, index in self._indexes.items():
                if uri not in self._homes and file.is_relative_to(root):
                    index.note_disk([file.relative_to(root).as_posix()])

    async def find(self, uri: str, line: int, around: Surroundings) -> tuple[Snippet, ...]:
        """Return snippets for a cursor, or those of a cursor nearby; none where it takes long.

        Args:
            uri: The document.
            line: Line of the cursor.
            around: The text on both sides.

        Returns:
            Snippets, most helpful first.
        """
        if (home := self._homes.get(uri)) is None or not home.repository.is_ready:
            return ()
        held = self._held.get(uri)
        if held is not None and abs(held.line - line) <= HELD_LINES:
            return held.snippets
        work = asyncio.to_thread(home.repository.find, home.path, *around, MAX_TOKENS)
        try:
            found = tuple(await asyncio.wait_for(work, MAX_WAIT_S))
        except TimeoutError:
            return () if held is None else held.snippets
        self._held[uri] = _Held(line, found)
        return found

    def shut_down(self) -> None:
        """Let all threads end."""
        for timer in self._timers.values():
            timer.cancel()
        for index in self._indexes.values():
            index.close()

    def _note(self, document: Document, home: _Home) -> None:
        self._timers.pop(document.uri, None)
        last = document.num_lines - 1
        end = Place(last, len(document.line(last)))
        home.repository.note(home.path, document.between(Place(0, 0), end))

    def _find_home(self, uri: str) -> _Home | None:
        file = Path(to_fs_path(uri) or "").resolve()
        root = next((parent for parent in file.parents if (parent / ".git").exists()), None)
        if root is None or not any(self._is_open(root, folder) for folder in self._folders):
            return None
        if root not in self._indexes:
            if len(self._indexes) >= MAX_REPOSITORIES:
                return None
            self._indexes[root] = BackgroundIndex(root)
        return _Home(self._indexes[root], file.relative_to(root).as_posix())

    @staticmethod
    def _is_open(root: Path, folder: Path) -> bool:
        # A file of somebody's home directory that was only looked at opens no repository.
        return root.is_relative_to(folder) or folder.is_relative_to(root)
