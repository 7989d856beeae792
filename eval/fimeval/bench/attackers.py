"""The attackers in a process of their own, so that the bystander's clock is not theirs.

On other machines attackers would take nothing from the server's cores; here they run at the lowest
priority, which is as near as one machine comes.
"""

import asyncio
import multiprocessing
import os
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from fimeval.bench.attacks import ATTACKS, TLS_ATTACKS, Victim, run_attack

LOWEST_PRIORITY = 19


class Attackers:
    """Attacks a server whenever told to.

    Args:
        victim: The server.
    """

    def __init__(self, victim: Victim) -> None:
        # A fresh process: a copy of this one would have its event loop and threads.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_follow_orders, args=(theirs, victim), daemon=True)

    def __enter__(self) -> Self:
        """Start the process."""
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()

    def attack(self, name: str) -> None:
        """Begin an attack.

        Args:
            name: One of `ATTACKS` or `TLS_ATTACKS`.
        """
        self._pipe.send(name)

    def stop(self) -> int:
        """End the attack and return how many connections it opened."""
        self._pipe.send(None)
        return int(self._pipe.recv())


def _follow_orders(pipe: Connection, victim: Victim) -> None:
    os.nice(LOWEST_PRIORITY)
    while True:
        pipe.send(asyncio.run(_attack_until_told(pipe.recv(), pipe, victim)))


async def _attack_until_told(name: str, pipe: Connection, victim: Victim) -> int:
    attack, num_at_a_time = (ATTACKS | TLS_ATTACKS)[name]
    stop = asyncio.Event()

    async def wait_for_order() -> None:
        await asyncio.to_thread(pipe.recv)
        stop.set()

    waiting = asyncio.ensure_future(wait_for_order())
    num_opened = await run_attack(attack, victim, num_at_a_time, stop)
    await waiting
    return num_opened
