"""What the tests of a running `fimserve lsp` share: one editor for many of them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_editor import Editor, run_editor
from support.lsp_events import RecordingStore

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
            # What is on the screen goes away with it, and not into the next test.
            self._editor.close(uri)
            assert self._editor.popups == []

        self._runner.run(whole())


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


def completions_of(engine: FakeEngine) -> list[tuple[str, str | None]]:
    """Return what was asked, without warm-ups."""
    return [(asked.prefix, asked.suffix) for asked in engine.requests if asked.max_tokens]
