"""`fimserve lsp` under Neovim's own client, where a recent Neovim is on the PATH."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_events import RecordingStore

SCRIPT = Path(__file__).parents[1] / "clients" / "lsp" / "neovim.lua"
MIN_VERSION = (0, 11)


def find_neovim() -> str:
    """Return the command; the test is skipped where there is none, or an old one."""
    command = shutil.which("nvim")
    if command is None:
        pytest.skip("needs nvim on the PATH")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < MIN_VERSION:
        pytest.skip("needs Neovim 0.11 or later")
    return command


def test_neovim_types_behind_emoji_in_a_windows_file_and_accepts(tmp_path: Path) -> None:
    neovim = find_neovim()
    file = tmp_path / "geo.py"
    file.write_bytes("a = 1\r\nsay('😀')\r\nb\r\n".encode())
    engine = FakeEngine(script=("x\ny",))
    real = open_event_store(TelemetrySettings(url=f"sqlite:///{tmp_path / 'events.db'}"))
    assert real is not None
    store = RecordingStore(real)
    with serve_in_thread(engine, event_store=store) as url:
        ran = subprocess.run(
            [neovim, "--headless", "--clean", "-l", str(SCRIPT), str(file), url,
             sys.executable, "-m", "fimserve", "lsp"],
            capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        store.wait_for("shown", "accepted", *["persisted"] * 4)
    said = json.loads((ran.stdout + ran.stderr).strip().splitlines()[-1])
    assert said["supports"] is True
    assert said["logs"] == []
    assert said["encoding"] == "utf-8"
    assert said["start"] == len("say('😀') + ".encode())
    assert said["lines"] == ["a = 1", "say('😀') + x", "y", "b"]
    asked = engine.last_request
    assert (asked.prefix, asked.suffix) == ("a = 1\nsay('😀') + ", "\nb\n")
    assert asked.path == "geo.py"
