"""How many threads a step computes with: as many as there are cores that nobody else keeps busy.

The threads of a step wait for each other a hundred times. One that does not get onto a core keeps
all of them waiting, so two threads beside somebody else's work on two cores are several times
slower than one (docs/LOG.md, 2026-11-24). Knows nothing of torch; what the machine does comes from
`cpu_clock.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

LOOK_EVERY_S = 0.1
"""Ten ticks of Linux's accounting: shorter and it says nothing."""

TOLERATED_CORES = 0.6
"""Others may keep this much of a core busy before a thread is taken away: a client on the same
machine and the service's own threads, which have little to do between two steps."""

SMOOTHING = 0.5
"""Weight of the newest look."""


class CpuTimes(NamedTuple):
    """Clocks of one moment, in seconds; only their differences mean anything."""

    wall_s: float
    busy_s: float
    """Of all cores that may be used, as far as somebody computed on them."""
    own_s: float
    """CPU time of the thread that runs the steps."""


class CoreShare:
    """Follows what others leave of the cores.

    Args:
        max_threads: Threads where nobody else computes.
        num_cores: Cores that may be used.
        read_clocks: Returns the clocks, on the thread that runs the steps; None where the system
            does not tell, and nothing is ever changed.
    """

    def __init__(
        self, max_threads: int, num_cores: int, read_clocks: Callable[[], CpuTimes | None]
    ) -> None:
        self.num_threads = max_threads
        """What the next step should compute with."""
        self._max_threads = max_threads
        self._num_cores = num_cores
        self._read_clocks = read_clocks
        self._last: CpuTimes | None = None
        self._others = 0.0

    def look(self, now_s: float) -> int:
        """Return how many threads the next step should compute with.

        Args:
            now_s: The present, by the clock of `read_clocks`.

        Returns:
            At least one.
        """
        if self._max_threads == 1:
            return 1
        if self._last is None:
            self._last = self._read_clocks()
        elif now_s - self._last.wall_s >= LOOK_EVERY_S:
            self._take_in(self._last, self._read_clocks())
        return self.num_threads

    def _take_in(self, last: CpuTimes, now: CpuTimes | None) -> None:
        if now is None:
            return
        self._last = now
        # Each thread of a step takes about as long as the one that waits for it.
        own_s = (now.own_s - last.own_s) * self.num_threads
        others = max(0.0, now.busy_s - last.busy_s - own_s) / (now.wall_s - last.wall_s)
        self._others += SMOOTHING * (others - self._others)
        num_free = int(self._num_cores - self._others + TOLERATED_CORES)
        self.num_threads = max(1, min(self._max_threads, num_free))
