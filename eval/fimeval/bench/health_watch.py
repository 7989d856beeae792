"""Watches a server while it is under load: its memory, and what `/health` says of its blocks.

Every field is None where nobody says: other servers have no blocks, and the memory of a process
on another machine cannot be seen from here.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fimeval.bench.client import BenchClient, is_loopback
from fimeval.errors import EvalError

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a server."""

    at_s: float
    """Since the watch began."""
    is_reachable: bool
    """Whether `/health` answered with a JSON object."""
    rss_mib: float | None = None
    num_blocks: int | None = None
    num_free_blocks: int | None = None
    """Those that a request could take now, idle cache included."""
    num_running: int | None = None
    num_waiting: int | None = None
    num_restarts: int | None = None

    @property
    def is_idle(self) -> bool | None:
        """Whether nothing is running or waiting; None where the server does not say."""
        if self.num_running is None or self.num_waiting is None:
            return None
        return self.num_running == 0 and self.num_waiting == 0

    @property
    def num_missing_blocks(self) -> int | None:
        """Blocks that a request could not take: leaked, once the server is idle.

        Free blocks beyond all blocks are a lie, and count as missing too.
        """
        if self.num_blocks is None or self.num_free_blocks is None:
            return None
        return abs(self.num_blocks - self.num_free_blocks)


class HealthWatch:
    """Looks at one server.

    Args:
        client: Asks `/health`.
        pid: The server's process on this machine; None takes the one that `/health` names.
    """

    def __init__(self, client: BenchClient, pid: int | None = None) -> None:
        self._client = client
        self._pid = pid
        self._started_ms = client.clock_ms()

    async def look(self) -> Sample:
        """Return what can be seen now."""
        health = await self._client.fetch_health()
        told = health or {}
        engine = told.get("engine")
        engine = engine if isinstance(engine, Mapping) else {}
        pid = self._pid
        if pid is None and is_loopback(self._client.root):
            pid = _read_int(told, "pid")
        return Sample(
            at_s=round((self._client.clock_ms() - self._started_ms) / 1e3, 3),
            is_reachable=health is not None,
            rss_mib=None if pid is None else read_rss_mib(pid),
            num_blocks=_read_int(engine, "num_blocks"),
            num_free_blocks=_read_int(engine, "num_free_blocks"),
            num_running=_read_int(engine, "num_running"),
            num_waiting=_read_int(engine, "num_waiting"),
            num_restarts=_read_int(engine, "restarts"),
        )

    async def keep_looking(self, every_s: float, on_sample: Callable[[Sample], None]) -> None:
        """Look again and again until cancelled.

        Args:
            every_s: Pause between two looks.
            on_sample: Called with each.
        """
        while True:
            on_sample(await self.look())
            await asyncio.sleep(every_s)

    async def wait_until_idle(self, timeout_s: float) -> Sample:
        """Look until nothing runs and no block is missing, or the time is over.

        Args:
            timeout_s: Longest wait.

        Returns:
            The last look.
        """
        deadline_ms = self._client.clock_ms() + timeout_s * 1e3
        while True:
            sample = await self.look()
            is_clean = sample.is_idle is not False and not sample.num_missing_blocks
            if is_clean or self._client.clock_ms() >= deadline_ms:
                return sample
            await asyncio.sleep(min(0.2, timeout_s))


def read_rss_mib(pid: int) -> float | None:
    """Return the resident memory of a process and its children in MiB; None once it is gone.

    Args:
        pid: The process.

    Returns:
        The memory.

    Raises:
        EvalError: If psutil is not installed.
    """
    try:
        import psutil
    except ImportError as error:
        raise EvalError(f"{error}; pip install 'fimserve[bench]' brings it") from None
    try:
        process = psutil.Process(pid)
        processes = [process, *process.children(recursive=True)]
        return round(float(sum(one.memory_info().rss for one in processes)) / MIB, 2)
    except psutil.Error:
        return None


def find_listener(url: str) -> int | None:
    """Return the process on this machine that listens at an address, or None.

    Args:
        url: The address.

    Returns:
        Its process id; None for an address elsewhere, without psutil, or without the right to see.
    """
    from urllib.parse import urlsplit

    try:
        import psutil
    except ImportError:
        return None
    parts = urlsplit(url)
    if not is_loopback(url) or parts.port is None:
        return None
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    listening = (
        found.pid
        for found in connections
        if found.status == psutil.CONN_LISTEN and found.laddr.port == parts.port
    )
    return next((pid for pid in listening if pid is not None), None)


def _read_int(told: Mapping[str, Any], name: str) -> int | None:
    value = told.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
