"""The benchmark of steps runs on any model and ends with one JSON line; no time is asserted."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from support.tiny_checkpoint import write_tiny_checkpoint

SCRIPT = Path(__file__).parents[2] / "kernels" / "bench" / "bench_steps.py"


def test_it_prints_every_kind_of_step_and_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_tiny_checkpoint(tmp_path))
    options = f"--model {model} --device cpu --dtype fp32 --context 40 --prompt 300 --seconds 0"
    monkeypatch.setattr("sys.argv", [str(SCRIPT), *options.split()])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    *table, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert (result["model"], result["dtype"], result["device"]) == (model, "fp32", "cpu")
    names = [timing["name"] for timing in result["timings"]]
    assert names[0] == "1 tokens of one sequence behind 40"
    assert names[-1] == "prompt of 300"
    assert len(table) == len(names) == 8
    assert all(timing["num_repetitions"] == 3 for timing in result["timings"])
