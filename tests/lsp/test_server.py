"""`fimserve lsp` on its pipes, between pygls' client and a real server with a fake engine."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from lsprotocol import types

from fimserve.engine import Engine
from fimserve.models import load_model
from fimserve.prompt import TextEncoder
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_desk import (
    CURSOR,
    SOURCE,
    TEXT,
    Desk,
    completions_of,
    run_alone,
)
from support.lsp_editor import INVOKED, Editor, run_editor
from support.rote_model import RoteModel
from support.tiny_checkpoint import write_tiny_checkpoint


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
    engine.script = ("\n    ",)

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        assert await editor.ask(uri, CURSOR) is None
        editor.open("file:///w/notes.md", "text", language="markdown")
        assert await editor.ask("file:///w/notes.md", (0, 4)) is None

    with serve_in_thread(engine) as url:
        desk.run(scenario, url, languages={"markdown": False})
    assert len(completions_of(engine)) == 1


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
