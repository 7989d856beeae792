"""One editor with one `fimserve lsp` for all tests that need no options of their own."""

import asyncio
from collections.abc import Iterator

import pytest
from lsprotocol import types

from support.fake_engine import FakeEngine
from support.lsp_desk import (
    Desk,
)
from support.lsp_editor import run_editor


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    """Return an editor that has initialised, and see it end well."""
    with asyncio.Runner() as runner:
        running = run_editor()
        editor = runner.run(running.__aenter__())
        answer = runner.run(editor.initialize(encodings=["utf-16"]))
        check_capabilities(answer.capabilities)
        yield Desk(editor, runner)
        runner.run(running.__aexit__(None, None, None))


def check_capabilities(capabilities: types.ServerCapabilities) -> None:
    """Check what the server says it can do."""
    assert capabilities.inline_completion_provider
    assert capabilities.position_encoding == "utf-16"
    assert isinstance(capabilities.text_document_sync, types.TextDocumentSyncOptions)
    assert capabilities.text_document_sync.change == types.TextDocumentSyncKind.Incremental
    assert capabilities.text_document_sync.open_close
    assert capabilities.execute_command_provider is not None
    assert list(capabilities.execute_command_provider.commands) == ["fimserve.didAccept"]


@pytest.fixture
def engine() -> FakeEngine:
    """Return an engine that completes at once."""
    return FakeEngine()
