"""One editor at work: its open documents, and everything that answers it.

Lives from `initialize` to `shutdown`. Plain calls and one coroutine per request: the wire is
`server.py`'s business.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence

from lsprotocol import types

from fimserve.lsp.completer import Completer, OpenDocument
from fimserve.lsp.completion_client import CompletionClient, Delivery
from fimserve.lsp.document import Document
from fimserve.lsp.document_path import find_document_path
from fimserve.lsp.event_maker import EventMaker
from fimserve.lsp.event_queue import EventQueue
from fimserve.lsp.items import Item
from fimserve.lsp.lifecycle import Lifecycle
from fimserve.lsp.offers import OfferBook
from fimserve.lsp.options import LspOptions
from fimserve.lsp.outage import OutageLog, Say
from fimserve.lsp.persistence import WINDOWS_S, PersistenceWatch
from fimserve.lsp.positions import Encoding
from fimserve.lsp.running import RunningRequests
from fimserve.lsp.workspace import Workspace

__all__ = ["LspSession", "UnknownDocument"]

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
"""How long the editor waits at its end for events to be brought to the server."""


class UnknownDocument(Exception):
    """The editor names a document that it has not opened."""


class LspSession:
    """Holds what one editor needs.

    Args:
        options: What the user wants.
        encoding: Unit of the editor's columns.
        folder_uris: Folders that are open in it.
        editor: What events say of it.
        say: Writes a line into its log.
    """

    def __init__(
        self,
        options: LspOptions,
        encoding: Encoding,
        folder_uris: Sequence[str],
        editor: Mapping[str, object],
        say: Say,
    ) -> None:
        self.options = options
        self._encoding = encoding
        self._folder_uris = folder_uris
        self._open: dict[str, OpenDocument] = {}
        self._running = RunningRequests()
        self._offers = OfferBook()
        self._client = CompletionClient(options)
        self._outage = OutageLog(say)
        self._queue = EventQueue(self._send_events)
        self._events = EventMaker(self._take_event, editor)
        self._lifecycle = Lifecycle(self._events, time.monotonic)
        self._persistence = PersistenceWatch(self._events)
        self._workspace = self._make_workspace()
        self._completer = self._make_completer()
        self._background: set[asyncio.Task[None]] = set()
        self._warm_up: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    def configure(self, options: LspOptions) -> None:
        """Go on with other options.

        Args:
            options: The new ones.
        """
        if options == self.options:
            return
        self._running.cancel_all()
        self._offers.forget_all()
        self._start(self._client.aclose())
        before, self.options = self.options, options
        self._client = CompletionClient(options)
        if options.context != before.context:
            self._open_workspace()
        self._completer = self._make_completer()
        if not options.events or options.base_url != before.base_url:
            # Said no, or about completions that the other server does not know.
            self._queue.clear()

    def open(self, item: types.TextDocumentItem) -> None:
        """Take over a document, and let the server compute its beginning.

        Args:
            item: The document.
        """
        self.close(item.uri)
        document = Document(
            item.uri, item.text, _as_text(item.language_id), item.version, self._encoding
        )
        opened = OpenDocument(
            document=document,
            path=find_document_path(item.uri, self._folder_uris),
            session=f"lsp-{self._events.hash_of(item.uri)}",
            file_hash=self._events.hash_of(item.uri),
        )
        self._open[item.uri] = opened
        if self._workspace is not None:
            self._workspace.open(item.uri)
        # Editors open many documents at once; the last one is looked at.
        if self._warm_up is not None:
            self._warm_up.cancel()
        self._warm_up = self._start(self._completer.warm_up(opened))

    def change(
        self,
        uri: str,
        version: int | None,
        changes: Sequence[types.TextDocumentContentChangeEvent],
    ) -> None:
        """Follow changes of a document, in the order in which they come.

        Args:
            uri: The document.
            version: Its version after them.
            changes: The changes.
        """
        document = self._find(uri).document
        num_edits = document.num_edits
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, end = sorted(
                    document.place_of(at.line, at.character)
                    for at in (change.range.start, change.range.end)
                )
                edit = document.replace(start, end, change.text)
            else:
                edit = document.replace_all(change.text)
            self._lifecycle.follow(uri, edit)
            self._persistence.follow(document, edit)
        document.version = version
        if document.num_edits != num_edits:
            self._running.move(uri)
            if self._workspace is not None:
                self._workspace.change(document)

    def close(self, uri: str) -> None:
        """Forget a document."""
        if (opened := self._open.pop(uri, None)) is not None:
            self._running.cancel(uri)
            self._lifecycle.close(uri)
            self._persistence.close(opened.document)
            if self._workspace is not None:
                self._workspace.close(uri)

    def note_files(self, uris: Sequence[str]) -> None:
        """Note that files changed on the disk."""
        if self._workspace is not None:
            self._workspace.note_files(uris)

    async def complete(
        self, params: types.InlineCompletionParams
    ) -> types.InlineCompletionList | None:
        """Answer a request for completions; ends with ContentMoved if the document changes.

        Args:
            params: The cursor, and what the editor says of it.

        Returns:
            One item, or None where there is nothing to offer.
        """
        uri = params.text_document.uri
        opened = self._find(uri)
        with self._running.only(uri):
            item: Item | None = await self._completer.complete(opened, params)
        if item is None:
            return None
        return types.InlineCompletionList(items=[item.to_lsp(opened.document)])

    def version_of(self, uri: str) -> int | None:
        """Return the version of a document as the editor counts."""
        return self._find(uri).document.version

    def note_shown(self, completion_id: str) -> None:
        """Note that the editor shows an item."""
        self._lifecycle.report_shown(completion_id)

    def note_partly_accepted(self, completion_id: str, num_units: int) -> None:
        """Note that the first UTF-16 code units of an item were accepted."""
        self._lifecycle.report_partly_accepted(completion_id, num_units)

    def note_accepted(self, completion_id: str) -> None:
        """Note that an item was accepted, and look at it again as it grows old."""
        self._offers.forget(completion_id)
        accepted = self._lifecycle.accept(completion_id)
        if accepted is None or not accepted.text or accepted.uri not in self._open:
            return
        self._persistence.add(accepted, self._open[accepted.uri].document, time.time())
        loop = asyncio.get_running_loop()
        for window_s in WINDOWS_S:
            # A little later: timers and the clock on the wall are not one clock.
            loop.call_later(window_s + 0.1, self._look_at_accepted)

    async def aclose(self) -> None:
        """Say what is left to say, and end; called again, wait for the same end.

        Nothing stops it half way: an editor may ask for the end and vanish in the same moment.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._running.cancel_all()
        for task in self._background:
            task.cancel()
        if self._workspace is not None:
            self._workspace.shut_down()
        self._lifecycle.finish()
        self._persistence.finish()
        await self._queue.flush(FLUSH_S)
        await self._client.aclose()

    def _look_at_accepted(self) -> None:
        self._persistence.look(time.time())

    def _find(self, uri: str) -> OpenDocument:
        try:
            return self._open[uri]
        except KeyError:
            raise UnknownDocument("the document is not open") from None

    def _make_completer(self) -> Completer:
        return Completer(
            self._client,
            self.options,
            self._offers,
            self._lifecycle,
            self._events,
            self._outage,
            self._workspace,
        )

    def _make_workspace(self) -> Workspace | None:
        return Workspace(self._folder_uris) if self.options.context else None

    def _open_workspace(self) -> None:
        if self._workspace is not None:
            self._workspace.shut_down()
        self._workspace = self._make_workspace()
        if self._workspace is not None:
            for uri in self._open:
                self._workspace.open(uri)

    def _take_event(self, event: Mapping[str, object]) -> None:
        if self.options.events:
            self._queue.add(event)

    async def _send_events(self, events: Sequence[Mapping[str, object]]) -> Delivery:
        # The client of the moment: a change of options makes another one.
        return await self._client.send_events(events)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _as_text(language: str) -> str:
    """Return a language id as editors write it; the protocol's types may make an enum of it."""
    return language.value if isinstance(language, types.LanguageKind) else language
