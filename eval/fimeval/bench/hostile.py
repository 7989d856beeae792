"""Attacks a server and measures what everybody else notices: their latency, and its memory.

A bystander, one editor that types on, asks before and during each attack. Each attack is rehearsed
first, so that memory which the server takes once and keeps (blocks of keys and values that are used
for the first time) is not taken for a leak: what counts is whether the second time takes more.
Nothing is asserted about time; the report says how many times the usual p95 it was.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import httpx

from fimeval.bench.attackers import Attackers
from fimeval.bench.attacks import ATTACKS, PATH, Attack, Victim
from fimeval.bench.health_watch import read_rss_mib
from fimeval.bench.percentiles import Percentiles, find_percentiles

BYSTANDER_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class HostileSettings:
    """How long, and how hard."""

    seconds: float = 4.0
    """Length of each stretch, under attack and quiet."""
    num_rounds: int = 4
    """Stretches of each kind per attack, in turn, so that what else the machine does meets both."""
    rate: float = 4.0
    """Requests per second of the bystander."""
    settle_s: float = 1.0
    """Rest after an attack, before the next quiet stretch and before memory is looked at."""
    rehearsal_s: float = 5.0
    """Length of the rehearsal of each attack."""
    max_tokens: int = 16


@dataclass(frozen=True, slots=True)
class Phase:
    """What the bystander met in a stretch of time."""

    num_requests: int
    num_failed: int
    """Answered with something else than 200, or not at all."""
    e2e_ms: Percentiles


class _Wait(NamedTuple):
    """One answer to the bystander."""

    ms: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class Siege:
    """One attack, and the quiet before it."""

    name: str
    num_at_a_time: int
    num_opened: int
    """Connections that the attackers opened in all."""
    quiet: Phase
    attacked: Phase
    rss_before_mib: float | None
    rss_after_mib: float | None

    @property
    def slowdown(self) -> float:
        """How many times the quiet p95 the bystander waited, at its p95."""
        return self.attacked.e2e_ms.p95 / self.quiet.e2e_ms.p95


async def besiege(
    url: str,
    victim: Victim,
    settings: HostileSettings,
    pid: int | None,
    key: str | None = None,
    on_siege: Callable[[Siege], None] = lambda siege: None,
    attacks: Mapping[str, tuple[Attack, int]] = ATTACKS,
    tls: ssl.SSLContext | None = None,
) -> tuple[Siege, ...]:
    """Run attacks, one after another.

    Args:
        url: Address of the server.
        victim: The same, as attacks need it.
        settings: How long and how hard.
        pid: The server's process on this machine, to watch its memory.
        key: API key of the bystander.
        on_siege: Called after each.
        attacks: What is run, with the number of connections at a time.
        tls: Whom the bystander trusts, for a server that speaks TLS.

    Returns:
        What was found.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    sieges = []
    with Attackers(victim) as attackers:
        async with httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=BYSTANDER_TIMEOUT_S,
            trust_env=False,
            verify=True if tls is None else tls,
            # Each question on a connection of its own: one that is open is not kept out.
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:
            await _stand_by(client, settings)  # the first requests warm the server
            for name, (_, num_at_a_time) in attacks.items():
                siege = await _besiege_by(name, num_at_a_time, attackers, client, settings, pid)
                sieges.append(siege)
                on_siege(sieges[-1])
    return tuple(sieges)


async def _besiege_by(
    name: str,
    num_at_a_time: int,
    attackers: Attackers,
    client: httpx.AsyncClient,
    settings: HostileSettings,
    pid: int | None,
) -> Siege:
    attackers.attack(name)
    await asyncio.sleep(settings.rehearsal_s)
    await _call_off(attackers, settings)
    before_mib = _look_at(pid)
    quiet: list[_Wait] = []
    attacked: list[_Wait] = []
    num_opened = 0
    for _ in range(settings.num_rounds):
        quiet += await _stand_by(client, settings)
        attackers.attack(name)
        attacked += await _stand_by(client, settings)
        num_opened += await _call_off(attackers, settings)
    return Siege(
        name=name,
        num_at_a_time=num_at_a_time,
        num_opened=num_opened,
        quiet=_sum_up(quiet),
        attacked=_sum_up(attacked),
        rss_before_mib=before_mib,
        rss_after_mib=_look_at(pid),
    )


async def _call_off(attackers: Attackers, settings: HostileSettings) -> int:
    num_opened = await asyncio.to_thread(attackers.stop)
    await asyncio.sleep(settings.settle_s)
    return num_opened


def _sum_up(waits: Sequence[_Wait]) -> Phase:
    return Phase(
        num_requests=len(waits),
        num_failed=sum(not wait.is_right for wait in waits),
        e2e_ms=find_percentiles([wait.ms for wait in waits]),
    )


def _look_at(pid: int | None) -> float | None:
    return None if pid is None else read_rss_mib(pid)


def describe_sieges(sieges: Sequence[Siege]) -> list[dict[str, object]]:
    """Return what the JSON line says of each attack."""
    return [asdict(siege) | {"slowdown": round(siege.slowdown, 3)} for siege in sieges]


async def _stand_by(client: httpx.AsyncClient, settings: HostileSettings) -> list[_Wait]:
    """Ask at a steady rate, whether or not the last answer has come."""
    num_requests = max(1, int(settings.seconds * settings.rate))
    next_s = time.monotonic()
    asking = []
    for index in range(num_requests):
        await asyncio.sleep(max(0.0, next_s - time.monotonic()))
        # What was missed is not caught up: a burst would be another load than the quiet one.
        next_s = max(next_s, time.monotonic() - 1.0) + 1.0 / settings.rate
        asking.append(asyncio.ensure_future(_ask(client, index, settings.max_tokens)))
    return list(await asyncio.gather(*asking))


async def _ask(client: httpx.AsyncClient, index: int, max_tokens: int) -> _Wait:
    body = {
        "prompt": f"def mean_{index}(values):\n    total = sum(values)\n    return ",
        "suffix": "\n\n\nprint(mean([1, 2, 3]))\n",
        "max_tokens": max_tokens,
        "temperature": 0,
    }
    began_s = time.perf_counter()
    try:
        is_right = (await client.post(PATH, json=body)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        is_right = False
    return _Wait((time.perf_counter() - began_s) * 1000.0, is_right)
