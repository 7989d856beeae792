"""`fimserve lsp` under Microsoft's protocol library, on which VS Code's clients are built."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_events import RecordingStore
from support.npm import install_npm

FOLDER = Path(__file__).parents[1] / "clients" / "lsp"
TIMEOUT_S = 50


class SlowAtTheStart(FakeEngine):
    """An engine that never answers where the cursor is at the start of the document."""

    async def open(self, request: Any) -> Any:
        """Wait for ever, or do as told."""
        self.script = (asyncio.Event(),) if request.prefix == "" else ("r * r",)
        async for delta in super().open(request):
            yield delta


def edit(url: str) -> dict[str, Any]:
    """Return what the script says, by name."""
    folder = install_npm(FOLDER)
    # Beside node_modules, where imports look for packages.
    shutil.copy(FOLDER / "edit.mjs", folder)
    ran = subprocess.run(
        ["node", "edit.mjs", url, sys.executable, "-m", "fimserve", "lsp", "--stdio"],
        cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said: dict[str, Any] = {}
    for line in ran.stdout.splitlines():
        said |= json.loads(line)
    return said


def test_library_of_vs_code_types_cancels_and_accepts(tmp_path: Path) -> None:
    real = open_event_store(TelemetrySettings(url=f"sqlite:///{tmp_path / 'events.db'}"))
    assert real is not None
    store = RecordingStore(real)
    engine = SlowAtTheStart()
    with serve_in_thread(engine, event_store=store) as url:
        said = edit(url)
        # Answers that were quicker than the next keystroke were shown, and typed over.
        typed_over = ["shown", "dismissed"] * store.num_of("dismissed")
        store.wait_for(*typed_over, "shown", "accepted", *["persisted"] * 4)
    assert "log" not in said
    assert said["capabilities"]["inlineCompletionProvider"] is not None
    assert said["capabilities"]["positionEncoding"] == "utf-16"
    # Each keystroke but the last was overtaken by an edit, unless its answer was quicker.
    assert set(said["typed"][:-1]) <= {-32800, -32801, 1}
    assert said["typed"][-1] == 1
    at = {"line": 2, "character": 10}
    assert said["item"]["insertText"] == "r * r"
    assert said["item"]["range"] == {"start": at, "end": at}
    assert said["cancelled"] == {"code": -32800}
    assert said["accepted"] == {"result": None}
    assert said["text"] == "s = '😀'\r\ndef area(r):\r\n    '😀', r * r\r\n"
    assert said["exit"] == 0
    prefixes = [asked.prefix for asked in engine.requests if asked.max_tokens]
    assert "s = '😀'\ndef area(r):\n    '😀', " in prefixes
