"""Clocks of the machine's cores and of the calling thread, where the system keeps them (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fimserve.engine.core_share import CpuTimes

STAT = Path("/proc/stat")
BUSY = (0, 1, 2, 5, 6, 7)
"""user, nice, system, irq, softirq, steal: what is neither idle nor waiting for a disk."""


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_clocks(stat: Path = STAT) -> CpuTimes | None:
    """Return the clocks of this moment, on the thread whose own time is meant.

    Where only some of the machine's cores may be used, others are taken to be spread evenly.

    Args:
        stat: The system's account of its cores.

    Returns:
        The clocks; None where there is no such account.
    """
    try:
        with stat.open("rb") as lines:
            ticks = [int(number) for number in lines.readline().split()[1:9]]
        busy_s = sum(ticks[column] for column in BUSY) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    share = count_cores() / (os.cpu_count() or 1)
    return CpuTimes(time.monotonic(), busy_s * share, time.thread_time())
