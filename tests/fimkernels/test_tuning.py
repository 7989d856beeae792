"""Launches are measured once, kept on disk, and a damaged file costs a warning."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from fimkernels import tuning
from fimkernels.tuning import Launch, LaunchTable, find_launch, name_launch, tune_launch

FAST, SLOW = Launch(block_n=32), Launch(block_n=128)
KEY = ("dense", "torch.bfloat16", 1, 64, 64)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LaunchTable:
    table = LaunchTable(tmp_path / "card.json")
    monkeypatch.setattr(tuning, "find_table", lambda: table)
    return table


def test_the_fastest_is_kept_on_disk(table: LaunchTable, tmp_path: Path) -> None:
    def measure() -> float:
        return float(find_launch("multiply", KEY, SLOW).block_n)

    assert tune_launch("multiply", KEY, [SLOW, FAST], measure) == FAST
    assert find_launch("multiply", KEY, SLOW) == FAST
    fresh = LaunchTable(tmp_path / "card.json")
    assert fresh.find(name_launch("multiply", KEY), SLOW) == FAST
    assert fresh.find(name_launch("multiply", (*KEY, 2)), SLOW) == SLOW


def test_launches_that_do_not_fit_are_left_out(table: LaunchTable) -> None:
    class OutOfResources(Exception):
        pass

    def measure() -> float:
        if find_launch("multiply", KEY, SLOW) == FAST:
            raise OutOfResources
        return 1.0

    assert tune_launch("multiply", KEY, [FAST, SLOW], measure) == SLOW
    assert tune_launch("multiply", KEY, [FAST], measure) is None


def test_another_failure_is_raised_and_ends_the_trial(table: LaunchTable) -> None:
    def measure() -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tune_launch("multiply", KEY, [FAST], measure)
    assert find_launch("multiply", KEY, SLOW) == SLOW


@pytest.mark.parametrize("text", ["{", "[1]", json.dumps({"multiply/x": {"block_n": "64"}})])
def test_a_damaged_file_is_reported_and_not_used(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        table = LaunchTable(path)
    assert table.find("multiply/x", SLOW) == SLOW
    assert "defaults are used" in caplog.text
