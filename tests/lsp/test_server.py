"""`fimserve lsp` on its pipes, between pygls' client and a real server with a fake engine."""

import asyncio
import itertools
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from fimserve.engine import Engine
from fimserve.models import load_model
from fimserve.prompt import TextEncoder
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_editor import INVOKED, Editor, run_editor
from support.lsp_events import RecordingStore
from support.rote_model import RoteModel
from support.tiny_checkpoint import write_tiny_checkpoint

SOURCE = "def area(r):\n    return \n\nprint(area(2))\n"
CURSOR = (1, 11)
TEXT = "3.14159 * r * r"

Scenario = Callable[[Editor, str], Awaitable[None]]


class Desk:
    """One editor for many tests: each gets a document of its own, and default settings.

    Args:
        editor: The editor, initialised.
        runner: What its connection lives in.
    """

    def __init__(self, editor: Editor, runner: asyncio.Runner) -> None:
        self._editor = editor
        self._runner = runner
        self._numbers = itertools.count()

    def run(self, scenario: Scenario, url: str, **options: Any) -> None:
        """Run a scenario with the address of a document."""
        uri = f"file:///w/{next(self._numbers)}/geo.py"
        defaults = {"url": url, "maxTokens": 64, "languages": {}, "events": True}

        async def whole() -> None:
            self._editor.logs.clear()
            settings = types.DidChangeConfigurationParams({"fimserve": defaults | options})
            self._editor.client.workspace_did_change_configuration(settings)
            await scenario(self._editor, uri)
            assert self._editor.popups == []

        self._runner.run(whole())


@pytest.fixture(scope="module")
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


def run_alone(scenario: Scenario, *arguments: str, **options: Any) -> None:
    """Run a scenario in an editor of its own."""

    async def whole() -> None:
        async with run_editor(*arguments) as editor:
            await editor.initialize(**options)
            await scenario(editor, "file:///w/geo.py")
            assert editor.popups == []

    asyncio.run(whole())


async def error_of(answer: "asyncio.Future[Any]") -> int:
    """Return the code of the error that an answer is."""
    with pytest.raises(JsonRpcException) as caught:
        await answer
    return caught.value.code


@contextmanager
def serve(tmp_path: Path, engine: FakeEngine) -> Iterator[tuple[str, RecordingStore]]:
    """Serve an engine, with a real store of events."""
    real = open_event_store(TelemetrySettings(url=f"sqlite:///{tmp_path / 'events.db'}"))
    assert real is not None
    store = RecordingStore(real)
    with serve_in_thread(engine, event_store=store) as url:
        yield url, store


@pytest.fixture
def engine() -> FakeEngine:
    """Return an engine that completes at once."""
    return FakeEngine()


def completions_of(engine: FakeEngine) -> list[tuple[str, str | None]]:
    """Return what was asked, without warm-ups."""
    return [(asked.prefix, asked.suffix) for asked in engine.requests if asked.max_tokens]


def test_completion_comes_as_an_item(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        item = await editor.suggest(uri, CURSOR)
        assert item is not None
        assert item.insert_text == TEXT
        position = types.Position(*CURSOR)
        assert item.range == types.Range(position, position)
        assert item.command is not None
        assert item.command.command == "fimserve.didAccept"
        assert await editor.suggest(uri, (0, 0), trigger=INVOKED) is not None

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)
    asked = engine.last_request
    assert completions_of(engine) == [(SOURCE[:24], SOURCE[24:]), ("", SOURCE)]
    assert (asked.path, asked.language, asked.max_tokens) == ("geo.py", "python", 64)
    assert len({request.session for request in engine.requests}) == 1


def test_opening_warms_the_server_up(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        assert await asyncio.to_thread(engine.ended.wait, 10)

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)
    (asked,) = engine.requests
    assert (asked.prefix, asked.max_tokens, asked.priority) == (SOURCE, 0, "background")


EMOJI_CASES = [
    ("a = 1\nsay('😀') + ", "\nb\n"),
    ("a = 1\nsay('😀') + '😀'\n", "\nb\n"),
]


async def type_behind_emoji(editor: Editor, uri: str, column: int) -> None:
    """Type behind an emoji in a document with Windows line ends."""
    editor.open(uri, "a = 1\r\nsay('😀') +\r\nb\r\n")
    editor.insert(uri, (1, column), " ")
    item = await editor.suggest(uri, (1, column + 1))
    assert item is not None
    assert item.range is not None
    assert item.range.start.character == column + 1
    editor.insert(uri, (1, column + 1), "'😀'\r\n")
    await editor.suggest(uri, (2, 0))


def test_emoji_and_windows_line_ends_shift_nothing_in_utf16(desk: Desk, engine: FakeEngine) -> None:
    with serve_in_thread(engine) as url:
        desk.run(lambda editor, uri: type_behind_emoji(editor, uri, 11), url)
    assert completions_of(engine) == EMOJI_CASES


def test_emoji_and_windows_line_ends_shift_nothing_in_utf8(engine: FakeEngine) -> None:
    async def scenario() -> None:
        async with run_editor("--url", url) as editor:
            answer = await editor.initialize(encodings=["utf-8", "utf-16"])
            assert answer.capabilities.position_encoding == "utf-8"
            await type_behind_emoji(editor, "file:///w/geo.py", 13)

    with serve_in_thread(engine) as url:
        asyncio.run(scenario())
    assert completions_of(engine) == EMOJI_CASES


def test_eight_thousand_lines_are_typed_into_and_cut_steadily(
    desk: Desk, engine: FakeEngine
) -> None:
    lines = [f"value_{number} = '😀'\r\n" for number in range(8_000)]

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, "".join(lines))
        for column, char in enumerate("x = "):
            editor.insert(uri, (7_000, column), char)
            assert await editor.suggest(uri, (7_000, column + 1), trigger=INVOKED)

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)
    asked = completions_of(engine)
    first = asked[0][0].removesuffix("x")
    assert [prefix.removeprefix(first) for prefix, _ in asked] == ["x", "x ", "x =", "x = "]
    assert first.endswith("value_6999 = '😀'\n")
    assert "\r" not in first
    assert all(suffix and suffix.startswith("value_7000 = '😀'\n") for _, suffix in asked)


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
    editor.open(uri, SOURCE)
    async with asyncio.timeout(10):
        while engine.num_open or not any(asked.prefix == SOURCE for asked in engine.requests):
            await asyncio.sleep(0.01)
    engine.script = (asyncio.Event(), TEXT)


def wait_for_completion(engine: FakeEngine) -> bool:
    """Wait until a request that is no warm-up runs."""
    stop = threading.Event()
    for _ in range(1_000):
        if engine.num_open and engine.requests[-1].max_tokens:
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
        assert await asyncio.to_thread(wait_for_completion, engine)
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
            answer = editor.send_raw(types.TEXT_DOCUMENT_INLINE_COMPLETION, asked)
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
                answer = send(types.TEXT_DOCUMENT_INLINE_COMPLETION, wrong)
                assert await error_of(answer) == -32602
            command = types.ExecuteCommandParams("fimserve.unknown")
            answer = editor.client.workspace_execute_command_async(command)
            assert await error_of(answer) == -32602
            assert await error_of(send("textDocument/nothing", {})) == -32601
            # Notifications have no answer; the next request does.
            editor.client.protocol.notify("textDocument/didChange", {"textDocument": 1})
            editor.client.protocol.notify("textDocument/didShowCompletion", {"item": 1})
            editor.client.protocol.notify("textDocument/didFocus", {})
            editor.open(uri, SOURCE, language="plaintext")
            assert await error_of(editor.ask("file:///w/none.py", CURSOR)) == -32602
            assert editor.popups == []

    asyncio.run(scenario())


def test_chosen_menu_entry_is_extended_or_nothing_comes(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, "x = pri\n")
        selected = types.SelectedCompletionInfo(
            range=types.Range(types.Position(0, 4), types.Position(0, 7)), text="print"
        )
        item = await editor.suggest(uri, (0, 7), selected=selected)
        assert item is not None
        assert (item.insert_text, item.range) == ("print(x)", selected.range)
        engine.script = ("",)
        assert await editor.suggest(uri, (0, 7), trigger=INVOKED, selected=selected) is None

    engine.script = ("(x)",)
    with serve_in_thread(engine) as url:
        desk.run(scenario, url)
    assert completions_of(engine)[0] == ("x = print", "\n")


def test_nothing_to_offer_is_null(desk: Desk, engine: FakeEngine) -> None:
    engine.script = ("\n    return 1",)

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        assert await editor.ask(uri, CURSOR) is None  # Neovim would hang
        editor.open("file:///w/notes.md", "text", language="markdown")
        assert await editor.ask("file:///w/notes.md", (0, 4)) is None

    with serve_in_thread(engine) as url:
        desk.run(scenario, url, languages={"markdown": False})
    assert len(completions_of(engine)) == 1


def test_typing_along_a_suggestion_needs_no_server(
    desk: Desk, engine: FakeEngine, tmp_path: Path
) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        first = await editor.suggest(uri, CURSOR)
        editor.insert(uri, CURSOR, "3.1")
        second = await editor.suggest(uri, (1, 14))
        assert first is not None
        assert second is not None
        assert second.insert_text == TEXT[3:]
        assert second.command == first.command
        await editor.accept(uri, second)
        shown, accepted = await asyncio.to_thread(store.wait_for, "shown", "accepted")
        assert accepted.accepted_chars == len(TEXT) - 3
        assert accepted.view_id == shown.view_id
        assert accepted.source == "typed_through"

    with serve(tmp_path, engine) as (url, store):
        desk.run(scenario, url)
    assert len(completions_of(engine)) == 1


def test_life_of_a_suggestion_reaches_the_store(engine: FakeEngine, tmp_path: Path) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        item = await editor.suggest(uri, CURSOR)
        assert item is not None
        wire = {
            "insertText": item.insert_text,
            "command": {"title": "", "command": "", "arguments": list(item.command.arguments)},  # type: ignore[union-attr, arg-type]
        }
        editor.client.protocol.notify("textDocument/didShowCompletion", {"item": wire})
        partly = {"item": wire, "acceptedLength": 7}
        editor.client.protocol.notify("textDocument/didPartiallyAcceptCompletion", partly)
        await editor.accept(uri, item)
        await asyncio.to_thread(store.wait_for, "shown", "partially_accepted", "accepted")

    with serve(tmp_path, engine) as (url, store):
        run_alone(scenario, "--url", url)
        shown, partly, accepted, *persisted = store.wait_for(
            "shown", "partially_accepted", "accepted", *["persisted"] * 4
        )
    assert (shown.editor, shown.editor_version) == ("Test-Editor", "1.0-nightly")
    assert (shown.language, shown.source, shown.trigger) == ("python", "network", "auto")
    assert (shown.completion_chars, shown.completion_lines) == (15, 1)
    assert (shown.prompt_tokens, shown.cached_tokens) == (19, 12)
    assert (partly.accepted_chars, accepted.accepted_chars) == (7, 22)
    # The editor went away before the first window.
    assert {event.censor_reason for event in persisted} == {"editor_closed"}
    assert store.num_of("requested") == 1
    assert not any(event.has_text for event in (shown, partly, accepted, *persisted))


def test_user_who_wants_no_events_sends_none(
    desk: Desk, engine: FakeEngine, tmp_path: Path
) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        item = await editor.suggest(uri, CURSOR)
        assert item is not None
        await editor.accept(uri, item)

    with serve(tmp_path, engine) as (url, store):
        desk.run(scenario, url, events=False)
        assert store.wait_for() == []
        assert store.num_of("requested") == 0


def test_server_that_is_away_is_one_line_in_the_log(desk: Desk, engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        for _ in range(3):
            assert await editor.suggest(uri, CURSOR) is None
        assert len(editor.logs) == 1
        assert "no completions from http://127.0.0.1:9: no answer" in editor.logs[0]
        with serve_in_thread(engine) as url:
            settings = types.DidChangeConfigurationParams({"fimserve": {"url": url}})
            editor.client.workspace_did_change_configuration(settings)
            assert await editor.suggest(uri, CURSOR) is not None
        await editor.wait_for_log("are back")
        assert len(editor.logs) == 2

    desk.run(scenario, "http://127.0.0.1:9")


def test_settings_arrive_at_the_start_and_while_it_runs(engine: FakeEngine) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        await editor.wait_for_log("unknown option 'maxToken'; did you mean maxTokens?")
        editor.open(uri, SOURCE)
        await editor.suggest(uri, CURSOR)
        assert engine.last_request.multiline is False
        assert engine.last_request.max_tokens == 9
        editor.configuration = {"maxTokens": 11}
        editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
        await editor.settle()  # the editor is asked, and answers
        await editor.settle()
        await editor.suggest(uri, CURSOR, trigger=INVOKED)
        assert engine.last_request.max_tokens == 11
        assert engine.last_request.multiline is False
        assert editor.registered == ["workspace/didChangeConfiguration"]

    options = {"url": "", "multiline": False, "maxTokens": 9, "maxToken": 1}
    with serve_in_thread(engine) as url:
        options["url"] = url
        run_alone(scenario, options=options, pulls=True)


def test_editor_that_vanishes_ends_the_server() -> None:
    async def scenario() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fimserve", "lsp", stdin=-1, stdout=-1
        )
        assert process.stdin is not None
        process.stdin.close()
        return await asyncio.wait_for(process.wait(), 10)

    assert asyncio.run(scenario()) == 1


DOCUMENT = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n"
)


def test_keystrokes_against_a_real_engine_reuse_what_is_computed(
    desk: Desk, tmp_path: Path
) -> None:
    tiny = load_model(str(write_tiny_checkpoint(tmp_path / "tiny")), "cpu", "fp32")
    encoder = TextEncoder.from_file(tiny.encoder_path)
    model = RoteModel(encoder, DOCUMENT, tiny.config.vocab_size)
    engine = Engine(replace(tiny, model=model))  # type: ignore[arg-type]
    num_computed: list[int] = []

    async def scenario(editor: Editor, uri: str) -> None:
        written = DOCUMENT[: DOCUMENT.index("self.y")]
        editor.open(uri, written)
        line, column = written.count("\n"), len(written.rpartition("\n")[2])
        for number, char in enumerate("self."):
            editor.insert(uri, (line, column + number), char)
            before = model.num_computed
            cursor = (line, column + number + 1)
            item = await editor.suggest(uri, cursor, trigger=INVOKED)
            num_computed.append(model.num_computed - before)
            assert item is not None
            assert item.insert_text == "self.y = y"[number + 1 :]

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)
    # The first one has the warm-up behind it, the others each other.
    num_tokens = len(encoder.encode(DOCUMENT))
    assert max(num_computed[1:]) < num_tokens / 4
