"""Pieces of other files in what `fimserve lsp` asks for: kept in step with them, and held."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types

from support.fake_engine import FakeEngine
from support.git_repositories import make_repository
from support.live_server import serve_in_thread
from support.lsp_editor import INVOKED, Editor, run_editor

UTILS = "def double(x):\n    return x * 2\n"
MAIN = "from utils import double, triple\n\nprint(double(\n" + "\n" * 40 + "print(triple(\n"
FIRST, LAST = (2, 13), (43, 13)
WAIT_S = 20.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    make_repository(folder, {"utils.py": UTILS, "main.py": MAIN, ".gitignore": "secret.py\n"})
    (folder / "secret.py").write_text("def double(key): ...\n")
    return folder


async def ask(editor: Editor, engine: FakeEngine, uri: str, at: tuple[int, int]) -> list[str]:
    """Return the first line of each snippet that the server was given."""
    await editor.suggest(uri, at, trigger=INVOKED)
    return [snippet.text.partition("\n")[0] for snippet in engine.last_request.snippets]


async def wait_for(look: Callable[[], Awaitable[list[str]]], wanted: list[str]) -> None:
    """Look until what is wanted has come."""
    async with asyncio.timeout(WAIT_S):
        while await look() != wanted:
            await asyncio.sleep(0.05)


def run(
    root: Path, scenario: Callable[[Editor, FakeEngine, str], Awaitable[None]], **options: object
) -> None:
    """Run a scenario in an editor that has a folder open."""

    async def whole() -> None:
        async with run_editor("--url", url) as editor:
            await editor.initialize(options={"context": True, **options}, folder=root)
            await scenario(editor, engine, (root / "main.py").as_uri())

    engine = FakeEngine()
    with serve_in_thread(engine) as url:
        asyncio.run(whole())


def test_definitions_of_other_files_are_sent_and_follow_what_is_typed_there(root: Path) -> None:
    async def scenario(editor: Editor, engine: FakeEngine, uri: str) -> None:
        utils = (root / "utils.py").as_uri()
        editor.open(utils, UTILS)
        editor.open(uri, MAIN)
        await wait_for(lambda: ask(editor, engine, uri, FIRST), ["def double(x):"])
        assert engine.last_request.snippets[0].path == "utils.py"
        editor.insert(utils, (0, 0), "def triple(x):\n    return x * 3\n\n\n")
        # Typed in the editor and on no disk.
        await wait_for(lambda: ask_fresh(editor, engine, uri), ["def triple(x):"])

    async def ask_fresh(editor: Editor, engine: FakeEngine, uri: str) -> list[str]:
        await ask(editor, engine, uri, FIRST)
        return (await ask(editor, engine, uri, LAST))[:1]

    run(root, scenario)


def test_snippets_are_held_while_the_cursor_stays_near(root: Path) -> None:
    async def scenario(editor: Editor, engine: FakeEngine, uri: str) -> None:
        editor.open(uri, MAIN)
        await wait_for(lambda: ask(editor, engine, uri, FIRST), ["def double(x):"])
        held = engine.last_request.snippets
        await ask(editor, engine, uri, (10, 0))
        assert engine.last_request.snippets == held

    run(root, scenario)


def test_files_that_change_on_the_disk_are_read_again(root: Path) -> None:
    async def scenario(editor: Editor, engine: FakeEngine, uri: str) -> None:
        editor.open(uri, MAIN)
        await wait_for(lambda: ask(editor, engine, uri, FIRST), ["def double(x):"])
        assert types.WORKSPACE_DID_CHANGE_WATCHED_FILES in editor.registered
        (root / "utils.py").write_text("def triple(y):\n    return y * 3\n")
        created = types.FileEvent((root / "utils.py").as_uri(), types.FileChangeType.Changed)
        editor.client.workspace_did_change_watched_files(
            types.DidChangeWatchedFilesParams([created])
        )
        async with asyncio.timeout(WAIT_S):
            while "def triple(y):" not in await ask(editor, engine, uri, LAST):
                await ask(editor, engine, uri, FIRST)

    run(root, scenario)


def test_nothing_is_sent_where_it_is_not_wanted(root: Path) -> None:
    async def scenario(editor: Editor, engine: FakeEngine, uri: str) -> None:
        editor.open(uri, MAIN)
        await asyncio.sleep(0.3)
        assert await ask(editor, engine, uri, FIRST) == []

    run(root, scenario, context=False)
