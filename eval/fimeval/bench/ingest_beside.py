"""What completions notice of events: their latency in turn without and with events coming in.

Stretches alternate, so that what else the machine does falls on both alike. Completions are open
loop: each is asked when it is due and its latency counts from then. The sender shares the machine
with the server; bodies are made before a stretch, so that little of what is measured is its own.
"""

import asyncio
import time
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from fimeval.bench.event_supply import EventSupply
from fimeval.bench.percentiles import Percentiles, find_percentiles_of_any

__all__ = ["Beside", "BesideSettings", "Stretches", "measure_beside"]

TIMEOUT_S = 60.0
MAX_TOKENS = 8


@dataclass(frozen=True, slots=True)
class BesideSettings:
    """How completions and events are sent beside each other."""

    rounds: int = 5
    """Pairs of stretches; 0 measures nothing."""
    seconds: float = 8.0
    """Length of a stretch."""
    completions_per_s: float = 4.0
    rate: float = 2_000.0
    """Events per second in every second stretch."""
    batch_events: int = 50
    seed: int = 0


@dataclass(slots=True)
class Stretches:
    """All stretches of one sort together."""

    latencies_ms: list[float] = field(default_factory=list)
    """Of completions, from when they were due."""
    num_failed: int = 0
    """Completions and batches that were not answered 200."""
    num_events: int = 0
    """Events acknowledged."""

    @property
    def latency_ms(self) -> Percentiles | None:
        """Points of the latencies."""
        return find_percentiles_of_any(self.latencies_ms)


@dataclass(slots=True)
class Beside:
    """Completions alone and beside events."""

    alone: Stretches = field(default_factory=Stretches)
    beside: Stretches = field(default_factory=Stretches)

    @property
    def p95_change(self) -> float | None:
        """By how much the p95 is longer beside events, as a share of it; None where unknown."""
        one, other = self.alone.latency_ms, self.beside.latency_ms
        return None if one is None or other is None else other.p95 / one.p95 - 1


async def measure_beside(url: str, settings: BesideSettings, key: str | None) -> Beside:
    """Ask for completions in stretches with and without events.

    Args:
        url: Address of the server.
        settings: What to send.
        key: API key, where the server asks for one.

    Returns:
        The measurements.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    result, supply = Beside(), EventSupply(settings.seed)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        number = 0
        await _complete(client, Stretches(), 0, time.monotonic())  # the first one warms up
        for _ in range(settings.rounds):
            number = await _ask(client, settings, result.alone, number)
            batches = _make_batches(client, settings, supply)
            sending = asyncio.create_task(_send(client, settings, result.beside, batches))
            number = await _ask(client, settings, result.beside, number)
            await sending
    return result


async def _ask(
    client: httpx.AsyncClient, settings: BesideSettings, stretches: Stretches, number: int
) -> int:
    """Ask for completions for the length of a stretch; return the number of the next one."""
    started_s, asked = time.monotonic(), []
    for index in range(int(settings.seconds * settings.completions_per_s)):
        due_s = started_s + index / settings.completions_per_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        number += 1
        asked.append(asyncio.create_task(_complete(client, stretches, number, due_s)))
    await asyncio.gather(*asked)
    return number


async def _complete(
    client: httpx.AsyncClient, stretches: Stretches, number: int, due_s: float
) -> None:
    # A prompt of its own: what the cache holds is the same in all stretches, nothing but the start.
    lines = "".join(f"    total_{number}_{i} = measure({i})\n" for i in range(20))
    body = {
        "prompt": f"def mean_{number}(values):\n{lines}    return ",
        "suffix": "\n",
        "max_tokens": MAX_TOKENS,
    }
    try:
        answer = await client.post("/v1/completions", json=body)
    except httpx.HTTPError:
        stretches.num_failed += 1
        return
    if answer.status_code == HTTPStatus.OK:
        stretches.latencies_ms.append((time.monotonic() - due_s) * 1000)
    else:
        stretches.num_failed += 1


def _make_batches(
    client: httpx.AsyncClient, settings: BesideSettings, supply: EventSupply
) -> list[httpx.Request]:
    num = int(settings.seconds * settings.rate / settings.batch_events)
    return [
        client.build_request("POST", "/v1/events", json=supply.make_batch(settings.batch_events))
        for _ in range(num)
    ]


async def _send(
    client: httpx.AsyncClient,
    settings: BesideSettings,
    stretches: Stretches,
    batches: list[httpx.Request],
) -> None:
    interval_s, started_s = settings.batch_events / settings.rate, time.monotonic()
    sending = []
    for number, batch in enumerate(batches):
        await asyncio.sleep(max(0.0, started_s + number * interval_s - time.monotonic()))
        sending.append(asyncio.create_task(_deliver(client, stretches, batch)))
    await asyncio.gather(*sending)


async def _deliver(client: httpx.AsyncClient, stretches: Stretches, batch: httpx.Request) -> None:
    try:
        answer = await client.send(batch)
    except httpx.HTTPError:
        stretches.num_failed += 1
        return
    if answer.status_code == HTTPStatus.OK:
        stretches.num_events += answer.json()["accepted"]
    else:
        stretches.num_failed += 1
