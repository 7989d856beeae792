"""Work that leaves no threads behind."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fimserve.models import run_aside


def test_returns_what_the_work_returns_and_ends_its_thread() -> None:
    names: list[str] = []
    run_aside(lambda: names.append(threading.current_thread().name))
    assert run_aside(lambda: len(names)) == 1
    assert names == ["fimserve-aside"]
    assert "fimserve-aside" not in [thread.name for thread in threading.enumerate()]


def test_raises_what_the_work_raises() -> None:
    def fail() -> None:
        raise ValueError("no such row")

    with pytest.raises(ValueError, match="no such row"):
        run_aside(fail)


COUNT = """
import os
import time
import torch
from fimserve.engine import Engine, EngineSettings
from fimserve.models import load_model

def count():
    # A joined thread and its team leave the kernel's list a moment after the join: the count is
    # taken when it has not fallen for a second.
    fewest, since = len(os.listdir("/proc/self/task")), time.monotonic()
    while time.monotonic() - since < 1:
        now = len(os.listdir("/proc/self/task"))
        if now < fewest:
            fewest, since = now, time.monotonic()
        time.sleep(0.01)
    return fewest

torch.set_num_threads(4)
before = count()
loaded = load_model("embedded", device="cpu", dtype="fp32")
after_load = count()
with Engine(loaded, EngineSettings(kv_memory_mib=64)):
    after_start = count()
torch.ones(4_000_000).add_(1)  # what would have been left behind
print(before, after_load, after_start, count())
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_loading_a_model_leaves_no_team_of_threads() -> None:
    # The tokenizer's own threads sleep between two texts and are no team: they are not made here.
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True, env=environment
    )
    before, after_load, after_start, with_team = map(int, done.stdout.split())
    assert after_load == before
    assert after_start == before + 1  # the engine's own thread
    assert with_team > before
