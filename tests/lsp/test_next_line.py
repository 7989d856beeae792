"""At the end of `def f():` the body is offered, on the next line and indented."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from lsprotocol import types

from fimserve.engine import Engine
from fimserve.models import load_model
from fimserve.prompt import TextEncoder
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_desk import Desk, completions_of, run_alone
from support.lsp_editor import INVOKED, Editor
from support.rote_model import RoteModel
from support.tiny_checkpoint import write_tiny_checkpoint

HEAD = "def area(r):"
BODY = "\n    return 3.14 * r"


def test_the_body_is_an_item_that_begins_with_a_line_end(desk: Desk, engine: FakeEngine) -> None:
    engine.script = (BODY,)

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, f"{HEAD}\n\nprint(area(2))\n")
        item = await editor.suggest(uri, (0, len(HEAD)))
        assert item is not None
        assert item.insert_text == BODY
        at = types.Position(0, len(HEAD))
        assert item.range == types.Range(at, at)

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)


def test_enter_and_the_editor_s_indentation_type_along(desk: Desk, engine: FakeEngine) -> None:
    engine.script = (BODY,)

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, f"{HEAD}\n\nprint(area(2))\n")
        assert await editor.suggest(uri, (0, len(HEAD))) is not None
        editor.insert(uri, (0, len(HEAD)), "\n    ")
        item = await editor.suggest(uri, (1, 4))
        assert item is not None
        assert item.insert_text == "return 3.14 * r"

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)
    assert len(completions_of(engine)) == 1  # nobody was asked again


def test_a_neovim_that_would_hang_gets_it_once_the_cursor_is_there(engine: FakeEngine) -> None:
    engine.script = (BODY,)

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, f"{HEAD}\n")
        assert await editor.suggest(uri, (0, len(HEAD))) is None
        editor.insert(uri, (0, len(HEAD)), "\n    ")
        item = await editor.suggest(uri, (1, 4))
        assert item is not None
        assert item.insert_text == "return 3.14 * r"

    with serve_in_thread(engine) as url:
        run_alone(scenario, "--url", url, name="Neovim", version="0.12.0-dev-1234+gabcdef")


DOCUMENT = "class A:\n    def f(self):\n        return self.x\n"


def test_a_model_that_knows_the_document_offers_its_next_line(desk: Desk, tmp_path: Path) -> None:
    tiny = load_model(str(write_tiny_checkpoint(tmp_path / "tiny")), "cpu", "fp32")
    encoder = TextEncoder.from_file(tiny.encoder_path)
    model = RoteModel(encoder, DOCUMENT, tiny.config.vocab_size)
    engine = Engine(replace(tiny, model=model))  # type: ignore[arg-type]
    written = DOCUMENT[: DOCUMENT.index("\n        return")]

    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, f"{written}\n")
        item = await editor.suggest(uri, (1, 16))
        assert item is not None
        assert item.insert_text == "\n        return self.x"

    with serve_in_thread(engine) as url:
        desk.run(scenario, url)


PLACES = {
    "a function": "def mean(values):█\n\n\nprint(mean([1, 2]))\n",
    "a method": (
        "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n\n"
        "    def norm(self):█\n\n\nprint(Point(1, 2).norm())\n"
    ),
    "a method between others": (
        "class Stack:\n    def __init__(self):\n        self.items = []\n\n"
        "    def push(self, item):█\n\n    def pop(self):\n        return self.items.pop()\n"
    ),
}


@pytest.mark.model
def test_the_embedded_model_offers_bodies_that_fit(desk: Desk) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        for number, (name, place) in enumerate(PLACES.items()):
            before, after = place.split("█")
            at = (before.count("\n"), len(before.rpartition("\n")[2]))
            document = f"{uri}{number}.py"
            editor.open(document, before + after)
            item = await editor.suggest(document, at, trigger=INVOKED)
            assert item is not None, name
            assert isinstance(item.insert_text, str)
            head = before.rpartition("\n")[2]
            indent = " " * (len(head) - len(head.lstrip()) + 4)
            first = item.insert_text.split("\n")[1]
            assert first.startswith(indent), name
            assert not first.removeprefix(indent)[:1].isspace(), name
            ast.parse(before + item.insert_text + after)
            editor.close(document)

    with serve_in_thread(Engine(load_model("embedded", "cpu", "auto"))) as url:
        desk.run(scenario, url)
