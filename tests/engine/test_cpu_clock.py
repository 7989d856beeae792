"""The clocks come from Linux's account of its cores, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fimserve.engine.cpu_clock import find_cores, read_clocks


def test_busy_is_what_is_neither_idle_nor_waiting_for_a_disk(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 20 30 5000 600 7 8 9 50 0\n"
        "cpu1 1000 0 0 0 0 0 0 0 0 0\nintr 12 3\n"
    )
    assert _count_ticks(stat, 0) == pytest.approx(174)
    assert _count_ticks(stat, 1) == pytest.approx(1000), "others' cores are others' business"
    assert _count_ticks(stat, 0, 1) == pytest.approx(1174)


def _count_ticks(stat: Path, *cores: int) -> float:
    clocks = read_clocks(stat, frozenset(cores))
    assert clocks is not None
    return clocks.busy_s * os.sysconf("SC_CLK_TCK")


def test_this_process_may_use_some_core() -> None:
    assert find_cores()


@pytest.mark.parametrize("content", ["", "cpu0 many\n", "cpu0 1 2\n", "intr 1 2\n"])
def test_an_account_that_cannot_be_read_tells_nothing(tmp_path: Path, content: str) -> None:
    stat = tmp_path / "stat"
    assert read_clocks(stat, frozenset({0})) is None
    stat.write_text(content)
    assert read_clocks(stat, frozenset({0})) is None


def test_clocks_go_forward() -> None:
    first, second = read_clocks(), read_clocks()
    if first is None or second is None:
        pytest.skip("this system has no account of its cores")
    assert first.wall_s <= second.wall_s
    assert first.own_s <= second.own_s
