"""Keeps a server under a constant load for a long time, and looks for what it loses on the way.

The load is that of many editors, as for goodput; on top of it some requests are left at a random
moment, as by a window that is closed, and malformed ones are mixed in. After the load the server
drains, and no block may be missing.
"""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from fimeval.bench.client import BenchClient
from fimeval.bench.editors import Arrival, Documents, TypingHabits, plan_arrivals
from fimeval.bench.goodput import count_editors
from fimeval.bench.health_watch import HealthWatch, Sample
from fimeval.bench.load import Landed, run_load
from fimeval.bench.malformed import MalformedReport, send_malformed
from fimeval.bench.objective import Objective
from fimeval.bench.source_text import load_source_files
from fimeval.bench.tally import Tally, add_up
from fimeval.bench.token_ruler import load_ruler

MAX_SHOWN_FAULTS = 20
DRAIN_S = 20.0
"""Longest wait for the server to become idle after the load."""


@dataclass(frozen=True, slots=True)
class SoakSettings:
    """How long, how much, and what goes wrong on purpose."""

    rate: float
    """Requests per second, all editors together."""
    minutes: float = 20.0
    habits: TypingHabits = field(default_factory=TypingHabits)
    leave_share: float = 0.05
    """Share of requests whose connection is closed at a random moment, besides those that the next
    key closes."""
    max_leave_ms: float = 1500.0
    """Latest such moment."""
    malformed_share: float = 0.02
    """Malformed requests per well-formed one."""
    sample_s: float = 5.0
    """Pause between two looks at the server."""
    window_s: float = 30.0
    """Length over which latency is summed up for the curve."""
    objective: Objective = field(default_factory=Objective)
    pid: int | None = None
    """Process of the server, to watch its memory."""
    corpus: Path | None = None
    tokenizer: Path | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the run."""

    at_s: float
    """Its middle."""
    tally: Tally


@dataclass(frozen=True, slots=True)
class SoakResult:
    """What a soak found."""

    seconds: float
    num_editors: int
    tally: Tally
    windows: tuple[Window, ...]
    samples: tuple[Sample, ...]
    after: Sample
    """The last look, after the drain."""
    malformed: dict[str, int]
    """Malformed requests by kind and answer."""
    num_wrong_answers: int
    """Malformed requests that were not refused as they should be."""
    faults: tuple[str, ...]
    """The first failures in full."""

    @property
    def rss_growth_mib(self) -> float | None:
        """Growth of memory from the middle of the run, when caches are full, to its end."""
        known = [sample for sample in self.samples if sample.rss_mib is not None]
        later = [sample for sample in known if sample.at_s >= self.seconds / 2]
        if not later or self.after.rss_mib is None or later[0].rss_mib is None:
            return None
        return round(self.after.rss_mib - later[0].rss_mib, 2)

    def list_problems(self) -> tuple[str, ...]:
        """Return what a soak must not find; empty where all is well."""
        problems = []
        if failed := self.tally.outcomes["failed"]:
            problems.append(f"{failed} well-formed requests failed")
        if not self.tally.num_judged:
            problems.append("no request was waited for: the run shows nothing")
        if self.num_wrong_answers:
            problems.append(f"{self.num_wrong_answers} malformed requests were not refused")
        if missing := self.after.num_missing_blocks:
            problems.append(f"{missing} blocks are missing after the drain")
        if self.after.is_idle is False:
            problems.append("the server is not idle after the drain")
        if not self.after.is_reachable and any(sample.is_reachable for sample in self.samples):
            problems.append("the server does not answer /health any more")
        if restarts := self._count_restarts():
            problems.append(f"the engine was restarted {restarts} times")
        return tuple(problems)

    def _count_restarts(self) -> int:
        counts = [s.num_restarts for s in (*self.samples, self.after) if s.num_restarts is not None]
        return max(counts) - counts[0] if counts else 0


async def run_soak(
    client: BenchClient, settings: SoakSettings, advance: Callable[[int], None]
) -> SoakResult:
    """Run a soak.

    Args:
        client: Asks the server.
        settings: What to do.
        advance: Called after each well-formed request with the number that is about expected.

    Returns:
        What was found.
    """
    seconds = settings.minutes * 60
    num_editors = count_editors(settings.rate, settings.habits)
    habits = replace(settings.habits, requests_per_s=settings.rate / num_editors)
    documents = Documents(load_source_files(settings.corpus), load_ruler(settings.tokenizer))
    arrivals = plan_arrivals(habits, num_editors, seconds, documents, f"s{secrets.token_hex(4)}")
    chooser = random.Random(f"{habits.seed}-soak")
    landed: list[Landed] = []
    samples: list[Sample] = []
    reports: list[MalformedReport] = []

    def take(one: Landed) -> None:
        landed.append(one)
        advance(max(round(seconds * settings.rate), len(landed)))

    def choose_leave_ms(arrival: Arrival) -> float | None:
        leaves = chooser.random() < settings.leave_share
        return chooser.uniform(0.0, settings.max_leave_ms) if leaves else None

    watch = HealthWatch(client, settings.pid)
    aside = [
        asyncio.create_task(watch.keep_looking(settings.sample_s, samples.append)),
        asyncio.create_task(_send_malformed_often(client, settings, reports.append)),
    ]
    try:
        await run_load(client, arrivals, take, choose_leave_ms)
    finally:
        for task in aside:
            task.cancel()
        for task in aside:
            with suppress(asyncio.CancelledError):
                await task
    answers = Counter(f"{report.name}: {report.answer}" for report in reports)
    return SoakResult(
        seconds=seconds,
        num_editors=num_editors,
        tally=add_up(landed, settings.objective),
        windows=_cut_windows(landed, settings),
        samples=tuple(samples),
        after=await watch.wait_until_idle(DRAIN_S),
        malformed=dict(sorted(answers.items())),
        num_wrong_answers=sum(not report.is_right for report in reports),
        faults=_list_faults(landed),
    )


async def _send_malformed_often(
    client: BenchClient, settings: SoakSettings, on_report: Callable[[MalformedReport], None]
) -> None:
    rate = settings.rate * settings.malformed_share
    if rate <= 0:
        return
    chooser = random.Random(f"{settings.habits.seed}-malformed")
    while True:
        await asyncio.sleep(chooser.expovariate(rate))
        on_report(await send_malformed(client, chooser))


def _cut_windows(landed: list[Landed], settings: SoakSettings) -> tuple[Window, ...]:
    by_window: dict[int, list[Landed]] = {}
    for one in landed:
        index = int(one.arrival.at_ms / 1e3 / settings.window_s)
        by_window.setdefault(index, []).append(one)
    return tuple(
        Window((index + 0.5) * settings.window_s, add_up(ones, settings.objective))
        for index, ones in sorted(by_window.items())
    )


def _list_faults(landed: list[Landed]) -> tuple[str, ...]:
    failed = [one for one in landed if one.answer.outcome == "failed"]
    return tuple(
        f"{one.arrival.at_ms / 1e3:.1f} s, {one.move}: {one.answer.reason} {one.answer.detail}"
        for one in failed[:MAX_SHOWN_FAULTS]
    )
