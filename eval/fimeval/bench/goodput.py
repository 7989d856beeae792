"""Finds how many simulated editors a server serves within an objective.

Each trial puts a Poisson load of one rate on the server, with keystrokes that close what came
before them, and lets it drain. The goodput is the highest rate at which enough of the requests
that were waited for met the objective.
"""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fimeval.bench.client import BenchClient
from fimeval.bench.editors import Documents, TypingHabits, plan_arrivals
from fimeval.bench.load import Landed, run_load
from fimeval.bench.objective import Objective
from fimeval.bench.rate_search import RateSearch
from fimeval.bench.source_text import load_source_files
from fimeval.bench.tally import Tally, add_up
from fimeval.bench.token_ruler import load_ruler


@dataclass(frozen=True, slots=True)
class GoodputSettings:
    """What to search for."""

    objective: Objective = field(default_factory=Objective)
    attainment: float = 0.9
    """Share of the requests that count which must meet the objective."""
    habits: TypingHabits = field(default_factory=TypingHabits)
    """How the simulated people work."""
    seconds: float = 30.0
    """Length of a trial after its warm-up."""
    warmup_s: float = 5.0
    """Beginning of a trial that does not count: the editors open their files."""
    min_requests: int = 40
    """A trial lasts at least until so many requests were sent."""
    first_rate: float = 1.0
    max_rate: float = 256.0
    precision: float = 1.1
    corpus: Path | None = None
    tokenizer: Path | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One load and what came of it."""

    rate: float
    """Requests per second that were offered."""
    num_editors: int
    seconds: float
    """Length without the warm-up."""
    tally: Tally
    attained: float
    is_good: bool


@dataclass(frozen=True, slots=True)
class Goodput:
    """The result of a search."""

    rate: float | None
    """Highest good rate, requests per second; None where even the lowest was not good."""
    num_editors: int | None
    is_limited: bool
    """Whether the search ended at its own highest rate: the server may be good for more."""
    trials: tuple[Trial, ...]
    """In the order of measuring."""


async def search_goodput(
    client: BenchClient, settings: GoodputSettings, on_trial: Callable[[Trial], None]
) -> Goodput:
    """Search for the goodput of one server.

    Args:
        client: Asks the server.
        settings: What to search for.
        on_trial: Called after each trial.

    Returns:
        The goodput and every trial.
    """
    documents = Documents(load_source_files(settings.corpus), load_ruler(settings.tokenizer))
    search = RateSearch(settings.first_rate, settings.max_rate, settings.precision)
    trials: list[Trial] = []
    while (rate := search.next_rate()) is not None:
        trial = await run_trial(client, settings, rate, documents, seed_shift=len(trials))
        search.tell(rate, trial.is_good)
        trials.append(trial)
        on_trial(trial)
    best = max((trial for trial in trials if trial.is_good), key=lambda t: t.rate, default=None)
    return Goodput(
        rate=best.rate if best else None,
        num_editors=best.num_editors if best else None,
        is_limited=search.bad is None,
        trials=tuple(trials),
    )


async def run_trial(
    client: BenchClient,
    settings: GoodputSettings,
    rate: float,
    documents: Documents,
    seed_shift: int = 0,
) -> Trial:
    """Put one load on a server.

    Args:
        client: Asks the server.
        settings: The objective, and how people work.
        rate: Requests per second, all editors together.
        documents: What they work at.
        seed_shift: Added to the seed, so that no trial finds another's prompts cached.

    Returns:
        What came of it.
    """
    num_editors = count_editors(rate, settings.habits)
    # Editors come whole; each works a little slower where they would be too many.
    habits = replace(
        settings.habits,
        requests_per_s=rate / num_editors,
        seed=settings.habits.seed + seed_shift,
    )
    seconds = max(settings.seconds, settings.min_requests / rate)
    landed: list[Landed] = []
    arrivals = plan_arrivals(
        habits, num_editors, settings.warmup_s + seconds, documents, f"g{secrets.token_hex(4)}"
    )
    await run_load(client, arrivals, landed.append)
    counted = [one for one in landed if one.arrival.at_ms >= settings.warmup_s * 1e3]
    tally = add_up(counted, settings.objective)
    is_good = tally.num_judged > 0 and tally.attained >= settings.attainment
    return Trial(rate, num_editors, seconds, tally, round(tally.attained, 4), is_good)


def count_editors(rate: float, habits: TypingHabits) -> int:
    """Return how many editors send so many requests per second together, at least one."""
    return max(1, math.ceil(rate / habits.requests_per_s))
