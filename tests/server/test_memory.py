"""Memory returns to its level: completions that are left in the middle leave nothing behind.

It rises at first, while blocks and the kernels of each shape are used for the first time.
"""

import asyncio
import gc

import psutil
import pytest

from fimeval.bench.attacks import Victim, find_victim, leave_at_once
from fimserve.engine import Engine, EngineSettings
from fimserve.models import load_model
from support.live_server import run_server

NUM_ROUNDS = 26
NUM_LAST_ROUNDS = 4
PER_ROUND = 120
AT_A_TIME = 8
MAX_GROWTH_MIB = 8.0
"""A leak of 20 KiB per completion would be above it."""


async def storm(victim: Victim) -> None:
    """Ask for completions and leave, a round of them."""

    async def leave_again_and_again() -> None:
        for _ in range(PER_ROUND // AT_A_TIME):
            reader, writer = await asyncio.open_connection(victim.host, victim.port)
            try:
                await leave_at_once(victim, reader, writer)
            finally:
                writer.transport.abort()

    await asyncio.gather(*(leave_again_and_again() for _ in range(AT_A_TIME)))
    await asyncio.sleep(0.5)
    gc.collect()


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(1800)
def test_memory_stays_where_it_is_once_everything_has_been_used() -> None:
    engine = Engine(load_model("embedded", device="cpu"), EngineSettings(kv_memory_mib=64))
    levels_mib = []
    with run_server(engine) as (_, url):
        for _ in range(NUM_ROUNDS):
            asyncio.run(storm(find_victim(url)))
            levels_mib.append(psutil.Process().memory_info().rss / 2**20)
    growth_mib = levels_mib[-1] - levels_mib[-1 - NUM_LAST_ROUNDS]
    assert growth_mib < MAX_GROWTH_MIB, levels_mib
