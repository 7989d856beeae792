"""Requests that end early, and messages that are wrong: each has its error."""

import asyncio
import threading
from typing import Any

import pytest
from lsprotocol import types

from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_desk import (
    CURSOR,
    SOURCE,
    TEXT,
    Desk,
    error_of,
)
from support.lsp_editor import INVOKED, Editor, run_editor


def test_cancelled_request_frees_the_server(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        await open_with_hanging_engine(editor, uri, engine)
        params = editor.params(uri, CURSOR)
        answer = editor.client.protocol.send_request_async(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, params, msg_id="asked"
        )
        assert await asyncio.to_thread(wait_for_completion, engine)
        editor.client.cancel_request(types.CancelParams("asked"))
        assert await error_of(answer) == -32800
        async with asyncio.timeout(10):
            while engine.num_open:
                await asyncio.sleep(0.01)

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)


async def open_with_hanging_engine(editor: Editor, uri: str, engine: FakeEngine) -> None:
    """Open a document whose completions never come, though its warm-up did."""
    text = f"{SOURCE}# {uri}\n"
    editor.open(uri, text)
    async with asyncio.timeout(10):
        while engine.num_open or not any(asked.prefix == text for asked in engine.requests):
            await asyncio.sleep(0.01)
    engine.script = (asyncio.Event(), TEXT)


def wait_for_completion(engine: FakeEngine, num_running: int = 1) -> bool:
    """Wait until requests run; the warm-ups have ended."""
    stop = threading.Event()
    for _ in range(1_000):
        if engine.num_open == num_running:
            return True
        stop.wait(0.01)
    return False


def test_newer_request_of_a_document_ends_the_older_one(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        other_uri = uri.replace("geo", "other")
        editor.open(other_uri, SOURCE)
        await open_with_hanging_engine(editor, uri, engine)
        older = editor.ask(uri, CURSOR)
        other = editor.ask(other_uri, CURSOR)
        assert await asyncio.to_thread(wait_for_completion, engine, 2)
        engine.script = (TEXT,)
        newer = editor.ask(uri, CURSOR, trigger=INVOKED)
        assert await error_of(older) == -32800
        assert (await newer).items[0].insert_text == TEXT
        assert not other.done()
        editor.insert(other_uri, CURSOR, "x")
        assert await error_of(other) == -32801

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)


def test_document_that_moves_on_has_an_error_of_its_own(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        await open_with_hanging_engine(editor, uri, engine)
        answer = editor.ask(uri, CURSOR)
        assert await asyncio.to_thread(wait_for_completion, engine)
        editor.insert(uri, CURSOR, "x")
        assert await error_of(answer) == -32801
        async with asyncio.timeout(10):
            while engine.num_open:
                await asyncio.sleep(0.01)

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)


def test_version_that_is_not_the_documents_is_content_modified(
    desk: Desk, engine: FakeEngine
) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        for version, code in ((editor.version + 1, -32801), (editor.version, None)):
            asked = {
                "textDocument": {"uri": uri, "version": version},
                "position": {"line": 1, "character": 11},
                "context": {"triggerKind": 2},
                "formattingOptions": {"tabSize": 4, "insertSpaces": True},
            }
            answer = editor.send_raw(types.TEXT_DOCUMENT_INLINE_COMPLETION, params=asked)
            if code is None:
                assert (await answer).items[0].insertText == TEXT
            else:
                assert await error_of(answer) == code

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)


def test_wrong_messages_are_answered() -> None:
    uri = "file:///w/geo.py"

    async def scenario() -> None:
        async with run_editor() as editor:
            early = editor.ask(uri, CURSOR)
            assert await error_of(early) == -32002
            await editor.initialize()
            assert await error_of(editor.ask(uri, CURSOR)) == -32602  # not open
            send = editor.send_raw
            for wrong in ({"position": 5}, {}, None, []):
                answer = send(types.TEXT_DOCUMENT_INLINE_COMPLETION, params=wrong)
                assert await error_of(answer) == -32602
            command = types.ExecuteCommandParams("fimserve.unknown")
            answer = editor.client.workspace_execute_command_async(command)
            assert await error_of(answer) == -32602
            # Notifications have no answer; the next request does.
            editor.client.protocol.notify("textDocument/didChange", {"textDocument": 1})
            editor.client.protocol.notify("textDocument/didShowCompletion", {"item": 1})
            editor.client.protocol.notify("textDocument/didFocus", {})
            editor.open(uri, SOURCE, language="plaintext")
            assert await error_of(editor.ask("file:///w/none.py", CURSOR)) == -32602
            assert editor.popups == []

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["textDocument/nothing", "textDocument/hover", "$/nothing", ""])
@pytest.mark.parametrize("rest", [{}, {"params": {}}, {"params": None}, {"params": []}])
def test_unknown_methods_are_method_not_found_whatever_their_parameters(
    desk: Desk, method: str, rest: dict[str, Any]
) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        assert await error_of(editor.send_raw(method, **rest)) == -32601
        editor.open(uri, SOURCE)
        assert await error_of(editor.ask("file:///w/none.py", CURSOR)) == -32602  # it goes on

    desk.run(scenario, "http://127.0.0.1:9")


def test_unknown_methods_before_the_beginning_are_too_early() -> None:
    async def scenario() -> None:
        async with run_editor() as editor:
            for rest in ({}, {"params": {}}):
                assert await error_of(editor.send_raw("textDocument/nothing", **rest)) == -32002
            await editor.initialize()

    asyncio.run(scenario())
