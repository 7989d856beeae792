"""Clocks of the machine's cores and of the calling thread, where the system keeps them (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fimserve.engine.core_share import CpuTimes

STAT = Path("/proc/stat")
BUSY = (0, 1, 2, 5, 6, 7)
"""user, nice, system, irq, softirq, steal: what is neither idle nor waiting for a disk."""


def find_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def read_clocks(stat: Path = STAT, cores: frozenset[int] | None = None) -> CpuTimes | None:
    """Return the clocks of this moment, on the thread whose own time is meant.

    Args:
        stat: The system's account of its cores.
        cores: Cores that count; None counts those that this process may use.

    Returns:
        The clocks; None where there is no such account.
    """
    wanted = {f"cpu{core}" for core in (find_cores() if cores is None else cores)}
    try:
        with stat.open(encoding="ascii") as lines:
            rows = [row for row in map(str.split, lines) if row and row[0] in wanted]
        ticks = sum(int(row[1:][column]) for row in rows for column in BUSY)
        busy_s = ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    return CpuTimes(time.monotonic(), busy_s, time.thread_time()) if rows else None
