"""Requests that are being answered: at most one per document, the newest.

An older one is cancelled when a newer one comes; one whose document changes is told apart, because
the protocol has another error for it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

__all__ = ["ContentMoved", "RunningRequests"]


class ContentMoved(Exception):
    """The document changed while its request was being answered."""


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[object]
    is_moved: bool = False


class RunningRequests:
    """Holds the running request of each document."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    @contextmanager
    def only(self, uri: str) -> Iterator[None]:
        """Run the current task as the only request of a document.

        Args:
            uri: The document; an older request of it is cancelled.

        Raises:
            asyncio.CancelledError: If a newer request comes, or the editor cancels this one.
            ContentMoved: If the document changes.
        """
        self.cancel(uri)
        mine = self._running[uri] = _Running(cast("asyncio.Task[object]", asyncio.current_task()))
        try:
            yield
        except asyncio.CancelledError:
            if mine.is_moved:
                raise ContentMoved from None
            raise
        finally:
            if self._running.get(uri) is mine:
                del self._running[uri]

    def cancel(self, uri: str) -> None:
        """Cancel the request of a document, if one runs."""
        if (older := self._running.pop(uri, None)) is not None:
            older.task.cancel()

    def cancel_all(self) -> None:
        """Cancel all requests."""
        for uri in list(self._running):
            self.cancel(uri)

    def move(self, uri: str) -> None:
        """End the request of a document that changed, if one runs."""
        if (running := self._running.pop(uri, None)) is not None:
            running.is_moved = True
            running.task.cancel()
