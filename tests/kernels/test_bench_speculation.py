"""The benchmark of guessing ahead compares every habit and ends with one JSON line."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "kernels" / "bench" / "bench_speculation.py"


def test_it_compares_every_habit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [str(SCRIPT), "--device", "cpu", "--n", "1"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    *table, last = capsys.readouterr().out.splitlines()
    compared = json.loads(last)["comparisons"]
    assert [one["habit"] for one in compared] == ["typing", "reading on", "noise"]
    assert len(table) == 3
    for one in compared:
        assert one["num_pairs"] == 1
        assert one["ratio"] == pytest.approx(one["with_ms"] / one["without_ms"], rel=0.01)
