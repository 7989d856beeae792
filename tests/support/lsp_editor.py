"""An editor without a screen: pygls' own client, beside a real `fimserve lsp` on its pipes.

Keeps the document as an editor does and tells each change incrementally, so that what is typed in a
test goes the way of a keystroke.
"""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

TIMEOUT_S = 20.0
AUTOMATIC = types.InlineCompletionTriggerKind.Automatic
INVOKED = types.InlineCompletionTriggerKind.Invoked


class Editor:
    """One editor with one language server.

    Args:
        client: The client, its server started.
    """

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.logs: list[str] = []
        self.popups: list[str] = []
        self.configuration: Any = None
        """What the editor answers when it is asked for settings."""
        self.registered: list[str] = []
        self.version = 1
        self._numbers = itertools.count()
        self._add_features()

    def _add_features(self) -> None:
        @self.client.feature(types.WINDOW_LOG_MESSAGE)
        def log(params: types.LogMessageParams) -> None:
            self.logs.append(params.message)

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def show(params: types.ShowMessageParams) -> None:
            self.popups.append(params.message)

        @self.client.feature(types.WORKSPACE_CONFIGURATION)
        def configuration(params: types.ConfigurationParams) -> list[Any]:
            return [self.configuration for _ in params.items]

        @self.client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            self.registered += [registration.method for registration in params.registrations]

    async def initialize(
        self,
        options: Any = None,
        encodings: list[str] | None = None,
        pulls: bool = False,
        name: str = "Test Editor",
        version: str = "1.0 (nightly)",
        folder: Path | None = None,
    ) -> types.InitializeResult:
        """Begin, as an editor of some name and version does."""
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=encodings),
            workspace=types.WorkspaceClientCapabilities(
                configuration=pulls,
                did_change_configuration=types.DidChangeConfigurationClientCapabilities(pulls),
                did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
                    folder is not None
                ),
            ),
        )
        result = await self.client.initialize_async(
            types.InitializeParams(
                capabilities=capabilities,
                client_info=types.ClientInfo(name, version),
                initialization_options=options,
                root_uri=None if folder is None else folder.as_uri(),
            )
        )
        self.client.initialized(types.InitializedParams())
        return result

    def open(self, uri: str, text: str, language: str = "python") -> None:
        """Open a document."""
        item = types.TextDocumentItem(uri, language, self.version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def close(self, uri: str) -> None:
        """Close a document."""
        named = types.TextDocumentIdentifier(uri)
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(named))

    def replace(self, uri: str, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        """Replace what lies between two positions."""
        self.version += 1
        change = types.TextDocumentContentChangePartial(
            types.Range(types.Position(*start), types.Position(*end)), text
        )
        named = types.VersionedTextDocumentIdentifier(self.version, uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(named, [change]))

    def insert(self, uri: str, at: tuple[int, int], text: str) -> None:
        """Type text at a position."""
        self.replace(uri, at, at, text)

    def params(
        self,
        uri: str,
        at: tuple[int, int],
        trigger: types.InlineCompletionTriggerKind = AUTOMATIC,
        selected: types.SelectedCompletionInfo | None = None,
    ) -> types.InlineCompletionParams:
        """Return the parameters of a request for completions."""
        return types.InlineCompletionParams(
            context=types.InlineCompletionContext(trigger, selected),
            text_document=types.TextDocumentIdentifier(uri),
            position=types.Position(*at),
        )

    def ask(self, uri: str, at: tuple[int, int], **options: Any) -> "asyncio.Future[Any]":
        """Ask for completions; the answer comes as a future."""
        answer = self.client.text_document_inline_completion_async(self.params(uri, at, **options))
        return asyncio.ensure_future(asyncio.wait_for(answer, TIMEOUT_S))

    async def suggest(
        self, uri: str, at: tuple[int, int], **options: Any
    ) -> types.InlineCompletionItem | None:
        """Return the one item that is offered, or None."""
        answer = await self.ask(uri, at, **options)
        if answer is None:
            return None
        (item,) = answer.items
        return item  # type: ignore[no-any-return]

    def send_raw(self, method: str, **rest: Any) -> "asyncio.Future[Any]":
        """Send a request as it is, right or wrong; the answer comes as a future.

        Args:
            method: Its method.
            **rest: What else the message holds, such as params.
        """
        protocol, msg_id = self.client.protocol, f"raw-{next(self._numbers)}"
        answer: Future[Any] = Future()
        protocol._request_futures[msg_id] = answer
        protocol._send_data({"jsonrpc": "2.0", "id": msg_id, "method": method} | rest)
        return asyncio.ensure_future(asyncio.wait_for(asyncio.wrap_future(answer), TIMEOUT_S))

    async def accept(self, uri: str, item: types.InlineCompletionItem) -> None:
        """Insert an item and run its command, in the order of editors."""
        assert isinstance(item.insert_text, str)
        assert item.range is not None
        assert item.command is not None
        start, end = item.range.start, item.range.end
        self.replace(
            uri, (start.line, start.character), (end.line, end.character), item.insert_text
        )
        await self.client.workspace_execute_command_async(
            types.ExecuteCommandParams(item.command.command, arguments=item.command.arguments)
        )

    async def wait_for_log(self, words: str) -> str:
        """Return the line of the log that holds these words, once it is there."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                if found := [line for line in self.logs if words in line]:
                    return found[0]
                await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """Wait until everything sent so far has been read: an answer comes after it."""
        params = self.params("file:///nowhere", (0, 0))
        with_error = self.client.text_document_inline_completion_async(params)
        await asyncio.wait({asyncio.ensure_future(with_error)}, timeout=TIMEOUT_S)


@asynccontextmanager
async def run_editor(*arguments: str) -> AsyncIterator[Editor]:
    """Start `fimserve lsp` with an editor at its pipes, and see it end well.

    Args:
        *arguments: Further arguments of the command.

    Yields:
        The editor, not initialised.
    """
    client = LanguageClient("test-editor", "1.0")
    editor = Editor(client)
    await client.start_io(sys.executable, "-m", "fimserve", "lsp", *arguments)
    try:
        yield editor
        await asyncio.wait_for(client.shutdown_async(None), TIMEOUT_S)
        client.exit(None)
        process = client._server
        assert process is not None
        assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == 0
    finally:
        await client.stop()
