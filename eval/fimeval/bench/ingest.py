"""How fast a server takes events: at a given rate, and as fast as it can.

At the given rate the load is open loop: a batch is sent when it is due, and its latency counts
from then, so a server that stalls is not asked less. The second phase keeps a few connections
busy. Knows the server by `POST /v1/events` only.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from fimeval.bench.event_supply import EventSupply
from fimeval.bench.percentiles import Percentiles, find_percentiles_of_any

__all__ = ["IngestResult", "IngestSettings", "Phase", "measure_ingest"]

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What is sent."""

    rate: float = 2_000.0
    """Events per second of the first phase."""
    batch_events: int = 50
    """Events in one request."""
    seconds: float = 10.0
    """Length of each phase."""
    warmup_s: float = 2.0
    """Beginning that does not count."""
    num_connections: int = 8
    """Connections of the second phase."""
    seed: int = 0


@dataclass(slots=True)
class Phase:
    """What was measured in one phase."""

    latencies_ms: list[float] = field(default_factory=list)
    """Of the batches that were answered 200, from when they were due."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Statuses and errors, warm-up included."""
    num_acknowledged: int = 0
    """Events acknowledged after the warm-up."""
    seconds: float = 0.0
    """From the end of the warm-up to the last answer."""

    @property
    def events_per_s(self) -> float:
        """Acknowledged events per second."""
        return self.num_acknowledged / self.seconds if self.seconds else 0.0

    @property
    def latency_ms(self) -> Percentiles | None:
        """Points of the latencies."""
        return find_percentiles_of_any(self.latencies_ms)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What was measured."""

    paced: Phase
    """At the given rate."""
    flat_out: Phase
    """As fast as the server takes them."""


async def measure_ingest(
    url: str, settings: IngestSettings, key: str | None, advance: Callable[[], None]
) -> IngestResult:
    """Send events in both phases.

    Args:
        url: Address of the server.
        settings: What to send.
        key: API key, where the server asks for one.
        advance: Called after each batch.

    Returns:
        The measurements.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        sender = _Sender(client, settings, advance)
        return IngestResult(await sender.run_paced(), await sender.run_flat_out())


class _Sender:
    """Sends batches and writes down how it went."""

    def __init__(
        self, client: httpx.AsyncClient, settings: IngestSettings, advance: Callable[[], None]
    ) -> None:
        self._client = client
        self._settings = settings
        self._advance = advance
        self._supply = EventSupply(settings.seed)

    async def run_paced(self) -> Phase:
        """Send each batch when it is due, whatever became of those before."""
        settings = self._settings
        phase, started_s = Phase(), time.monotonic()
        interval_s = settings.batch_events / settings.rate
        num_batches = int((settings.warmup_s + settings.seconds) / interval_s)
        sending = []
        for number in range(num_batches):
            due_s = started_s + number * interval_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            counts = number * interval_s >= settings.warmup_s
            sending.append(asyncio.create_task(self._send(phase, due_s, counts)))
        await asyncio.gather(*sending)
        phase.seconds = time.monotonic() - started_s - settings.warmup_s
        return phase

    async def run_flat_out(self) -> Phase:
        """Keep all connections busy."""
        settings = self._settings
        phase, started_s = Phase(), time.monotonic()
        counted_from_s = started_s + settings.warmup_s
        ends_s = counted_from_s + settings.seconds

        async def keep_busy() -> None:
            while (now_s := time.monotonic()) < ends_s:
                await self._send(phase, now_s, now_s >= counted_from_s)

        await asyncio.gather(*(keep_busy() for _ in range(settings.num_connections)))
        phase.seconds = time.monotonic() - counted_from_s
        return phase

    async def _send(self, phase: Phase, due_s: float, counts: bool) -> None:
        body = self._supply.make_batch(self._settings.batch_events)
        try:
            answer = await self._client.post("/v1/events", json=body)
            outcome = str(answer.status_code)
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        phase.outcomes[outcome] += 1
        if counts and outcome == "200":
            phase.latencies_ms.append((time.monotonic() - due_s) * 1000)
            phase.num_acknowledged += answer.json()["accepted"]
        self._advance()
