"""Puts a load on a server: sends each request when it is due, leaves the one before it.

Open loop: a slow server is not asked less. Each editor has one request under way; the next one of
the same editor closes it, as the next key does.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fimeval.bench.answer import Answer
from fimeval.bench.client import BenchClient, Flight
from fimeval.bench.editors import Arrival, Move

DRAIN_S = 120.0
"""Longer than any answer may take before the client gives it up."""


@dataclass(frozen=True, slots=True)
class Landed:
    """One request of a load, over."""

    arrival: Arrival
    answer: Answer
    lag_ms: float
    """How much later than planned it was sent: slowness of the client, not of the server."""

    @property
    def move(self) -> Move:
        """What the editor did before it asked."""
        return self.arrival.move


async def run_load(
    client: BenchClient,
    arrivals: Iterable[Arrival],
    on_landed: Callable[[Landed], None],
    leave_after_ms: Callable[[Arrival], float | None] = lambda arrival: None,
) -> None:
    """Send every request when it is due and wait until all are over.

    Args:
        client: Asks the server.
        arrivals: The requests in the order of time.
        on_landed: Called with each request once it is over.
        leave_after_ms: Says after how long a request is left though no key was pressed; None for
            one that is not.
    """
    newest: dict[int, Flight] = {}
    landings: set[asyncio.Task[None]] = set()
    started_ms = client.clock_ms()
    try:
        for arrival in arrivals:
            await asyncio.sleep(max(0.0, arrival.at_ms - (client.clock_ms() - started_ms)) / 1e3)
            if before := newest.get(arrival.editor):
                before.leave()
            flight = newest[arrival.editor] = client.start(arrival.question)
            lag_ms = flight.started_ms - started_ms - arrival.at_ms
            landing = asyncio.create_task(_land(flight, arrival, lag_ms, on_landed))
            landings.add(landing)
            landing.add_done_callback(landings.discard)
            if (leave_ms := leave_after_ms(arrival)) is not None:
                asyncio.get_running_loop().call_later(leave_ms / 1e3, flight.leave)
        if landings:
            await asyncio.wait(landings, timeout=DRAIN_S)
    finally:
        for flight in newest.values():
            flight.leave()
        await asyncio.gather(*landings)


async def _land(
    flight: Flight, arrival: Arrival, lag_ms: float, on_landed: Callable[[Landed], None]
) -> None:
    on_landed(Landed(arrival, await flight.land(), lag_ms))
