"""What completions notice of events: their latency in turn without and with events coming in.

Stretches alternate, so that what else the machine does falls on all alike. Completions are open
loop: each is asked when it is due and its latency counts from then. The sender shares the machine
with the server, so a third sort of stretch has it send the same to nowhere: what is longer there
than alone is the sender's doing, what is longer beside events than there the server's and its
database's.
"""

import asyncio
import time
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from fimeval.bench.event_sender import EventSender, Sending, Sent
from fimeval.bench.percentiles import Percentiles, find_percentiles_of_any

__all__ = ["Beside", "BesideSettings", "Stretches", "measure_beside"]

TIMEOUT_S = 60.0
MAX_TOKENS = 8


@dataclass(frozen=True, slots=True)
class BesideSettings:
    """How completions and events are sent beside each other."""

    rounds: int = 5
    """Stretches of each sort; 0 measures nothing."""
    seconds: float = 8.0
    """Length of a stretch."""
    completions_per_s: float = 4.0
    rate: float = 2_000.0
    """Events per second in the stretches that have some."""
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
    sender_cpu_s: float = 0.0
    """CPU time of the sender of events."""
    batch_latencies_ms: list[float] = field(default_factory=list)
    """Of the batches of events, from when they were due."""

    def add(self, sent: Sent) -> None:
        """Count what became of the events of a stretch."""
        self.num_failed += sent.num_failed
        self.num_events += sent.num_events
        self.sender_cpu_s += sent.cpu_s
        self.batch_latencies_ms += sent.latencies_ms

    @property
    def latency_ms(self) -> Percentiles | None:
        """Points of the latencies."""
        return find_percentiles_of_any(self.latencies_ms)

    @property
    def batch_latency_ms(self) -> Percentiles | None:
        """Points of the latencies of batches."""
        return find_percentiles_of_any(self.batch_latencies_ms)


@dataclass(slots=True)
class Beside:
    """Completions alone, beside a sender whose events go nowhere, and beside events."""

    alone: Stretches = field(default_factory=Stretches)
    sender_only: Stretches = field(default_factory=Stretches)
    beside: Stretches = field(default_factory=Stretches)

    @property
    def p95_change(self) -> float | None:
        """By how much the p95 is longer beside events, as a share of it; None where unknown."""
        return _compare(self.alone, self.beside)

    @property
    def p95_change_by_sender(self) -> float | None:
        """The same beside the sender alone: what is no cost of the server."""
        return _compare(self.alone, self.sender_only)

    @property
    def p95_change_by_server(self) -> float | None:
        """The same beside events, as against beside the sender alone."""
        return _compare(self.sender_only, self.beside)


def _compare(one: Stretches, other: Stretches) -> float | None:
    before, after = one.latency_ms, other.latency_ms
    return None if before is None or after is None else after.p95 / before.p95 - 1


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
    result = Beside()
    with EventSender(settings.seed) as sender:
        async with httpx.AsyncClient(
            base_url=url, headers=headers, limits=limits, timeout=TIMEOUT_S, trust_env=False
        ) as client:
            number = 0
            await _complete(client, Stretches(), 0, time.monotonic())  # the first one warms up
            for _ in range(settings.rounds):
                number = await _ask(client, settings, result.alone, number)
                for target, stretches in ((None, result.sender_only), (url, result.beside)):
                    await sender.begin(_plan(settings, target, key))
                    number = await _ask(client, settings, stretches, number)
                    stretches.add(await sender.finish())
    return result


def _plan(settings: BesideSettings, url: str | None, key: str | None) -> Sending:
    num_batches = int(settings.seconds * settings.rate / settings.batch_events)
    return Sending(url, key, settings.rate, settings.batch_events, num_batches)


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
