"""The language server: which messages it takes, and which part of the session answers each.

Standard input and output carry the protocol and nothing else; logs go to standard error and hold no
text of documents.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Mapping
from typing import Any

from lsprotocol import types
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.exceptions import (
    FeatureRequestError,
    JsonRpcContentModified,
    JsonRpcInvalidParams,
)
from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async
from pygls.lsp.server import LanguageServer

from fimserve import __version__
from fimserve.lsp.items import ACCEPT_COMMAND
from fimserve.lsp.options import LspOptions, merge_options
from fimserve.lsp.outage import Level
from fimserve.lsp.positions import ENCODINGS, Encoding
from fimserve.lsp.protocol import (
    DID_PARTIALLY_ACCEPT,
    DID_SHOW,
    FimserveProtocol,
    asked_version,
)
from fimserve.lsp.running import ContentMoved
from fimserve.lsp.session import LspSession, UnknownDocument

__all__ = ["FimserveLanguageServer", "make_server", "run_stdio"]

logger = logging.getLogger(__name__)

NAME = "fimserve"
SECTION = "fimserve"
_LEVELS = {"warning": types.MessageType.Warning, "info": types.MessageType.Info}


class FimserveLanguageServer(LanguageServer):
    """Speaks the protocol with one editor.

    Args:
        options: What holds before the editor says otherwise.

    Attributes:
        protocol: What reads and routes the messages.
    """

    protocol: FimserveProtocol

    def __init__(self, options: LspOptions) -> None:
        super().__init__(NAME, __version__, protocol_cls=FimserveProtocol)
        self._options = options
        self._session: LspSession | None = None

    @property
    def session(self) -> LspSession:
        """The editor's session; the protocol keeps everything else away before there is one."""
        if self._session is None:
            raise RuntimeError("the editor has not initialised")
        return self._session

    def start_session(self, params: types.InitializeParams) -> None:
        """Begin to work for an editor.

        Args:
            params: What it says of itself and wants.
        """
        merged = merge_options(self._options, params.initialization_options, is_start=True)
        folders = [folder.uri for folder in params.workspace_folders or ()]
        if not folders and params.root_uri:
            folders = [params.root_uri]
        self._session = LspSession(
            merged.options, _choose_encoding(params), folders, _describe_editor(params), self.say
        )
        self.say_problems(merged.problems)

    async def end_session(self) -> None:
        """End what `start_session` began, if it did."""
        if self._session is not None:
            await self._session.aclose()

    async def configure(self, given: object) -> None:
        """Take over settings that changed.

        Args:
            given: What the editor pushed; without it the editor is asked, if it can be.
        """
        workspace = self.client_capabilities.workspace
        if not given and workspace is not None and workspace.configuration:
            item = types.ConfigurationItem(section=SECTION)
            answers = await self.workspace_configuration_async(types.ConfigurationParams([item]))
            given = answers[0] if answers else None
        merged = merge_options(self.session.options, given, is_start=False)
        self.session.configure(merged.options)
        self.say_problems(merged.problems)

    def watch_settings(self) -> None:
        """Ask the editor to tell when settings change, where it wants to be asked."""
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_configuration if workspace is not None else None
        if watching is not None and watching.dynamic_registration:
            registration = types.Registration(
                id="fimserve-settings",
                method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
                register_options={"section": SECTION},
            )
            self.client_register_capability(types.RegistrationParams([registration]))

    def watch_files(self) -> None:
        """Ask the editor to tell when files change on the disk, where it can."""
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace is not None else None
        if watching is not None and watching.dynamic_registration:
            everything = types.FileSystemWatcher(glob_pattern="**/*")
            registration = types.Registration(
                id="fimserve-files",
                method=types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
                register_options=types.DidChangeWatchedFilesRegistrationOptions([everything]),
            )
            self.client_register_capability(types.RegistrationParams([registration]))

    def say(self, level: Level, message: str) -> None:
        """Write a line into the editor's log."""
        self.window_log_message(
            types.LogMessageParams(type=_LEVELS[level], message=f"fimserve: {message}")
        )

    def say_problems(self, problems: tuple[str, ...]) -> None:
        """Write what is wrong with settings into the editor's log."""
        for problem in problems:
            self.say("warning", problem)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what went wrong here, instead of a popup in the editor.

        Args:
            error: What was raised.
            source: What pygls was doing.
        """
        if source is not FeatureRequestError:  # those are answers
            logger.error("%s while handling a message", type(error).__name__, exc_info=error)


def make_server(options: LspOptions) -> FimserveLanguageServer:
    """Return a language server with all its features.

    Args:
        options: What holds before the editor says otherwise.

    Returns:
        The server, not started.
    """
    server = FimserveLanguageServer(options)
    _add_life(server)
    _add_documents(server)
    _add_completion(server)
    return server


def run_stdio(options: LspOptions) -> int:
    """Serve the editor at standard input and output until it leaves.

    Args:
        options: What holds before the editor says otherwise.

    Returns:
        Exit code: 0 if the editor said goodbye as the protocol wants it, else 1.
    """
    # pygls logs each cancelled request as an error, and messages with the text they hold.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    server = make_server(options)
    server.protocol.set_writer(StdoutWriter(sys.stdout.buffer))
    try:
        asyncio.run(_serve(server))
    except (BrokenPipeError, SystemExit):
        # The editor is gone; or pygls ends the process by itself, with a code of its own.
        logger.debug("the editor left")
    finally:
        server.thread_pool.shutdown()
    return 0 if server.protocol.is_shut_down else 1


async def _serve(server: FimserveLanguageServer) -> None:
    try:
        await run_async(
            stop_event=threading.Event(),
            reader=StdinAsyncReader(sys.stdin.buffer, server.thread_pool),
            protocol=server.protocol,
            error_handler=server.report_server_error,
        )
    finally:
        # Editors that quit in haste close the pipe before anything else.
        await server.end_session()


def _add_life(server: FimserveLanguageServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.start_session(params)

    @server.feature(types.INITIALIZED)
    def initialized(params: types.InitializedParams) -> None:
        server.watch_settings()
        server.watch_files()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configure(params: types.DidChangeConfigurationParams) -> None:
        await server.configure(params.settings)

    @server.feature(types.SHUTDOWN)
    async def shut_down(params: None) -> None:
        await server.end_session()


def _add_documents(server: FimserveLanguageServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.session.open(params.text_document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        named = params.text_document
        server.session.change(named.uri, named.version, params.content_changes)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_files(params: types.DidChangeWatchedFilesParams) -> None:
        server.session.note_files([change.uri for change in params.changes])

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.session.close(params.text_document.uri)


def _add_completion(server: FimserveLanguageServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def complete(
        params: types.InlineCompletionParams,
    ) -> types.InlineCompletionList | None:
        try:
            known = server.session.version_of(params.text_document.uri)
            if asked_version(params) not in (None, known):
                raise ContentMoved
            return await server.session.complete(params)
        except ContentMoved:
            raise JsonRpcContentModified from None
        except UnknownDocument as error:
            raise JsonRpcInvalidParams(str(error)) from None

    @server.feature(DID_SHOW)
    def did_show(notification: Mapping[str, Any]) -> None:
        if (completion_id := _completion_of(notification.get("item"))) is not None:
            server.session.note_shown(completion_id)

    @server.feature(DID_PARTIALLY_ACCEPT)
    def did_partially_accept(notification: Mapping[str, Any]) -> None:
        completion_id = _completion_of(notification.get("item"))
        num_units = notification.get("acceptedLength")
        if completion_id is not None and isinstance(num_units, int):
            server.session.note_partly_accepted(completion_id, num_units)

    @server.command(ACCEPT_COMMAND)
    def did_accept(completion_id: str) -> None:
        server.session.note_accepted(completion_id)


def _completion_of(item: object) -> str | None:
    """Return the completion that an item is about, as its command names it."""
    try:
        named = item["command"]["arguments"][0]  # type: ignore[index]
    except (LookupError, TypeError):
        return None
    return named if isinstance(named, str) else None


def _choose_encoding(params: types.InitializeParams) -> Encoding:
    # The same choice that pygls announces.
    chosen = ServerCapabilitiesBuilder.choose_position_encoding(params.capabilities)
    return next(encoding for encoding in ENCODINGS if encoding == chosen)


def _describe_editor(params: types.InitializeParams) -> dict[str, object]:
    client = params.client_info
    return {
        "client": "fimserve-lsp",
        "client_version": __version__,
        "editor": client.name if client is not None else None,
        "editor_version": client.version if client is not None else None,
    }
