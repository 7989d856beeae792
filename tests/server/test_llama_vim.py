"""llama.vim in a real Vim and Neovim against a real server: hint, acceptance, warm-up, refusals.

The plugin is on no package registry: `FIMSERVE_LLAMA_VIM` names a checkout of ggml-org/llama.vim.
Without one, its request bodies are replayed by `test_llama_cpp.py`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fimserve.engine import QueueFull
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.vim_session import ESCAPE, VimSession, run_vim

PLUGIN = os.environ.get("FIMSERVE_LLAMA_VIM", "")

pytestmark = [
    pytest.mark.skipif(not PLUGIN, reason="FIMSERVE_LLAMA_VIM names no checkout of llama.vim"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here"),
]

DOCUMENT = ["import math", "", "def area(r):", "    return ", "", "print(area(2))"]


@pytest.fixture(params=["vim", "nvim"], autouse=True)
def editor(request: pytest.FixtureRequest) -> str:
    """Return the program to edit with."""
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    return name


@contextmanager
def editing(editor: str, url: str, folder: Path, lines: list[str]) -> Iterator[VimSession]:
    """Open a file in a Vim that has the plugin, as its readme says."""
    file = folder / "geo.py"
    file.write_text("\n".join(lines) + "\n")
    settings = (
        f"let g:llama_config = {{'endpoint_fim': '{url}/infill', 'show_info': 0}}\n"
        # Silently: before Vim 9.1, where it works all the same, it warns and Vim waits for Enter.
        f"autocmd VimEnter * set runtimepath+={PLUGIN} | silent runtime plugin/llama.vim\n"
    )
    with run_vim(editor, file, settings, folder) as vim:
        vim.wait(lambda seen: seen["lines"] == lines, "the file")
        yield vim


def wait_for_requests(engine: FakeEngine, count: int) -> None:
    until_s = time.monotonic() + 10
    while len(engine.requests) < count and time.monotonic() < until_s:
        time.sleep(0.02)
    assert len(engine.requests) >= count


def test_hint_appears_and_tab_takes_it(editor: str, tmp_path: Path) -> None:
    engine = FakeEngine(["math.pi * r ** 2"])
    with serve_in_thread(engine) as url, editing(editor, url, tmp_path, DOCUMENT) as vim:
        vim.type("4GA")
        vim.wait_for_hint("    return math.pi * r ** 2")
        vim.type("\t")
        seen = vim.wait(lambda seen: "pi" in seen["lines"][3], "the accepted text")
    assert seen["lines"] == [*DOCUMENT[:3], "    return math.pi * r ** 2", *DOCUMENT[4:]]
    asked = next(one for one in engine.requests if one.max_tokens > 0)
    assert asked.prefix == "import math\n\ndef area(r):\n    return "
    assert asked.suffix == "\n\nprint(area(2))\n"


def test_hint_of_several_lines_is_shown_and_taken_whole(editor: str, tmp_path: Path) -> None:
    shown = ("    if r < 0:", "        raise ValueError(r)", "    return math.pi * r ** 2")
    # On a line of blanks the plugin asks from the line's start.
    engine = FakeEngine(["\n".join(shown)])
    lines = [*DOCUMENT[:3], "    ", *DOCUMENT[4:]]
    with serve_in_thread(engine) as url, editing(editor, url, tmp_path, lines) as vim:
        vim.type("4GA")
        vim.wait_for_hint(*shown)
        vim.type("\t")
        seen = vim.wait(lambda seen: len(seen["lines"]) == 8, "the accepted lines")
    assert tuple(seen["lines"][3:6]) == shown


def test_typing_as_suggested_keeps_the_hint(editor: str, tmp_path: Path) -> None:
    engine = FakeEngine(["math.pi * r ** 2"])
    with serve_in_thread(engine) as url, editing(editor, url, tmp_path, DOCUMENT) as vim:
        vim.type("4GA")
        vim.wait_for_hint("    return math.pi * r ** 2")
        engine.script = ("something else",)
        vim.type("math.")
        vim.wait(lambda seen: seen["lines"][3].endswith("math."), "what was typed")
        vim.wait_for_hint("    return math.pi * r ** 2")


def test_refusal_shows_nothing_and_the_next_request_works(editor: str, tmp_path: Path) -> None:
    engine = FakeEngine([QueueFull("256 requests wait", 1000.0)])
    with serve_in_thread(engine) as url, editing(editor, url, tmp_path, DOCUMENT) as vim:
        vim.type("4GA")
        wait_for_requests(engine, 1)
        seen = vim.wait(lambda seen: seen["mode"] == "i", "insert mode")
        assert seen["screen"][3].rstrip() == "    return"
        engine.script = ("math.pi * r ** 2",)
        vim.type(ESCAPE + "A")
        vim.wait_for_hint("    return math.pi * r ** 2")


def test_warm_up_brings_snippets_into_the_cache(editor: str, tmp_path: Path) -> None:
    engine = FakeEngine([""], finish_reason="length")
    body = [f"value_{n} = {n}" for n in range(120)]
    with serve_in_thread(engine) as url, editing(editor, url, tmp_path, body) as vim:
        # Yanking makes a chunk of what was yanked; idle, the plugin sends it ahead.
        vim.type("20G30yy")
        vim.type("100G")
        wait_for_requests(engine, 1)
    warm_up = next(one for one in engine.requests if one.max_tokens == 0)
    assert any("value_30 = 30" in snippet.text for snippet in warm_up.snippets)
