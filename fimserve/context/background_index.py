"""An index that is made and kept in step by a thread of its own, for whoever must not wait.

Until it is made there is nothing to find. Changes queue up, the newest of each file alone; what
nobody waits for, such as making the large index anew, is done when the queue is empty.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from fimserve.context.find import find_snippets
from fimserve.context.repository_index import RepositoryIndex
from fimserve.context.snippet import Snippet
from fimserve.context.source_file import LeftOut, read_source

__all__ = ["BackgroundIndex"]

logger = logging.getLogger(__name__)


class BackgroundIndex:
    """Holds the index of one repository.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index: RepositoryIndex | None = None
        self._changed: dict[str, str | None] = {}
        self._wake = threading.Condition()
        self._is_closed = False
        self._is_busy = True
        self._thread = threading.Thread(target=self._run, name="fimserve-context", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether anything can be found."""
        return self._index is not None

    def note(self, path: str, text: str) -> None:
        """Let the index take over a text that is not on the disk yet.

        Args:
            path: The file inside the repository.
            text: Its text now, line ends as LF.
        """
        self._put(path, text)

    def note_disk(self, paths: Sequence[str]) -> None:
        """Let the index look at files again that came, went or changed on the disk."""
        for path in paths:
            self._put(path, None)

    def find(self, path: str, prefix: str, suffix: str, max_tokens: int) -> list[Snippet]:
        """Return snippets for a cursor, or none while the index is being made.

        Args:
            path: The file inside the repository.
            prefix: Text before the cursor, line ends as LF.
            suffix: Text after it.
            max_tokens: What all snippets may take.

        Returns:
            Snippets, most helpful first.
        """
        if self._index is None:
            return []
        return find_snippets(self._index, path, prefix, None, suffix, max_tokens)

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything noted so far is taken over.

        Args:
            timeout_s: How long at most.

        Returns:
            Whether it is.
        """
        with self._wake:
            return self._wake.wait_for(
                lambda: not (self._is_busy or self._changed) or self._is_closed, timeout_s
            )

    def close(self) -> None:
        """Let the thread end; an index that is just being made is made to its end."""
        with self._wake:
            self._is_closed = True
            self._wake.notify_all()

    def _put(self, path: str, text: str | None) -> None:
        with self._wake:
            self._changed[path] = text
            self._wake.notify_all()

    def _run(self) -> None:
        try:
            self._index = index = RepositoryIndex.build(self.root)
            while (changed := self._take()) is not None:
                if changed:
                    index.update(
                        {
                            path: self._read(path) if text is None else text
                            for path, text in changed.items()
                        }
                    )
                elif index.needs_compaction:
                    index.compact()
        except Exception:  # completions go on without context
            logger.exception("the index of other files has failed")
            self._index = None
        with self._wake:
            self._is_busy, self._is_closed = False, True
            self._wake.notify_all()

    def _take(self) -> dict[str, str | None] | None:
        """Return what has changed, nothing where there is time for other work, None at the end."""
        index = self._index
        with self._wake:
            self._is_busy = False
            self._wake.notify_all()
            if not self._changed and index is not None and index.needs_compaction:
                return {}
            self._wake.wait_for(lambda: self._changed or self._is_closed)
            if self._is_closed:
                return None
            changed, self._changed = self._changed, {}
            self._is_busy = True
            return changed

    def _read(self, path: str) -> str | None:
        try:
            return read_source(self.root, path)
        except LeftOut:
            return None
