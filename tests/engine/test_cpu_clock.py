"""The clocks come from Linux's account of its cores, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fimserve.engine.cpu_clock import count_cores, read_clocks


def test_busy_is_what_is_neither_idle_nor_waiting_for_a_disk(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 5000 600 7 8 9 50 0\ncpu0 1 2 3\n")
    clocks = read_clocks(stat)
    assert clocks is not None
    share = count_cores() / (os.cpu_count() or 1)
    assert clocks.busy_s == pytest.approx(174 / os.sysconf("SC_CLK_TCK") * share)


@pytest.mark.parametrize("content", ["", "cpu  many\n", "cpu  1 2\n"])
def test_an_account_that_cannot_be_read_tells_nothing(tmp_path: Path, content: str) -> None:
    stat = tmp_path / "stat"
    assert read_clocks(stat) is None
    stat.write_text(content)
    assert read_clocks(stat) is None


def test_clocks_go_forward() -> None:
    first, second = read_clocks(), read_clocks()
    if first is None or second is None:
        pytest.skip("this system has no account of its cores")
    assert first.wall_s <= second.wall_s
    assert first.own_s <= second.own_s
