"""Measures what one editor waits for: the first text, the last byte, each token.

One request at a time. Several servers are measured in turn, scenario by scenario, on the same
prompts, so that whatever else the machine does falls on all of them.
"""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from fimeval.bench.answer import Answer
from fimeval.bench.client import BenchClient, check_done
from fimeval.bench.latency_report import LatencyRun, ScenarioResult, TargetResult, summarise
from fimeval.bench.paired import PairedScenario, pair
from fimeval.bench.question import DEFAULT_MAX_TOKENS, CursorText, Question
from fimeval.bench.scenarios import (
    Scenario,
    ScenarioKind,
    ScenarioPlan,
    hash_prompts,
    plan_scenarios,
)
from fimeval.bench.source_text import join_text, load_source_files, rotate
from fimeval.bench.target import OpenTarget, Target, open_targets
from fimeval.bench.text_supply import PromptSize, TextSupply
from fimeval.bench.token_ruler import load_ruler
from fimserve.prompt import Order

WARMUP = 2
"""Untimed requests ahead of each scenario: the first fills caches and opens the connection."""


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """What to measure, and how much of it."""

    n: int = 20
    """Timed requests of each scenario."""
    tokens: tuple[int, ...] = (1024, 2048)
    """Lengths of prompts, prefix and suffix together."""
    suffix_share: float = 0.25
    max_tokens: int = DEFAULT_MAX_TOKENS
    """New tokens of an answer; exactly so many where the server can be told."""
    scenarios: tuple[ScenarioKind, ...] = tuple(ScenarioKind)
    corpus: Path | None = None
    """Directory of source files; None takes this project's own."""
    tokenizer: Path | None = None
    """Measures the prompts; None takes the embedded model's."""
    offset_chars: int | None = None
    """Where in the sources the prompts begin; None draws a place, so that a server which still
    remembers an earlier run is cold all the same."""


Advance = Callable[[int], None]
"""Gets the number of requests that all of the run will have."""


async def measure_latency(
    targets: tuple[Target, ...], settings: LatencySettings, advance: Advance
) -> tuple[LatencyRun, tuple[TargetResult, ...], tuple[PairedScenario, ...]]:
    """Run every scenario against every server.

    Fails with EvalError where a server cannot be started, reached or used, and with the first
    request that is not answered whole.

    Args:
        targets: The servers.
        settings: What to measure.
        advance: Called after each request.

    Returns:
        What exactly was asked, what it took, and what each further server adds to the first one's
        times.
    """
    text = join_text(load_source_files(settings.corpus))
    offset_chars = settings.offset_chars
    if offset_chars is None:
        offset_chars = random.randrange(len(text))
    supply = TextSupply(rotate(text, offset_chars), load_ruler(settings.tokenizer))
    # After the timed requests may come one that counts cached tokens.
    plan = ScenarioPlan(
        settings.scenarios,
        WARMUP + settings.n + 1,
        settings.max_tokens,
        f"bench-{secrets.token_hex(4)}",
    )
    sizes = [PromptSize(tokens, settings.suffix_share) for tokens in settings.tokens]
    scenarios = plan_scenarios(plan, sizes, tuple(Order), supply)
    async with open_targets(targets) as opened:
        jobs = [
            (target, scenario)
            for scenario in scenarios
            for target in opened
            if scenario.order in (None, *target.client.abilities.orders)
        ]
        total = sum(scenario.num_requests for _, scenario in jobs)
        results = [
            (target, await _run_scenario(scenario, target.client, lambda: advance(total)))
            for target, scenario in jobs
        ]
        by_target = tuple(_collect(target, results) for target in opened)
        pairs = _pair_all(opened, results)
    run = LatencyRun(
        n=settings.n,
        warmup=WARMUP,
        tokens=settings.tokens,
        suffix_share=settings.suffix_share,
        max_tokens=settings.max_tokens,
        corpus=settings.corpus.name if settings.corpus else None,
        offset_chars=offset_chars,
        prompts_sha256=hash_prompts(scenarios),
    )
    return run, by_target, pairs


class _Measured(NamedTuple):
    """One scenario on one server."""

    scenario: Scenario
    result: ScenarioResult
    answers: list[Answer]


def _collect(target: OpenTarget, results: list[tuple[OpenTarget, _Measured]]) -> TargetResult:
    return TargetResult(
        target.describe(), tuple(one.result for owner, one in results if owner is target)
    )


def _pair_all(
    opened: tuple[OpenTarget, ...], results: list[tuple[OpenTarget, _Measured]]
) -> tuple[PairedScenario, ...]:
    """Return the pairs of every scenario that the first server and another one were asked."""
    first = opened[0]
    ours = {id(one.scenario): one for owner, one in results if owner is first}
    return tuple(
        pair(
            first.target.name,
            owner.target.name,
            one.result.label,
            one.result.tokens,
            ours[id(one.scenario)].answers,
            one.answers,
        )
        for owner, one in results
        if owner is not first and id(one.scenario) in ours
    )


async def _run_scenario(
    scenario: Scenario, client: BenchClient, advance: Callable[[], None]
) -> _Measured:
    *streamed, last = scenario.questions
    answers: list[Answer] = []
    for index, planned in enumerate(streamed):
        question = _accept(planned, answers) if scenario.accepts else planned
        if scenario.left:
            await client.taste(scenario.left[index])
            advance()
        answers.append(check_done(await client.ask(question), client.root))
        advance()
    timed = answers[WARMUP:]
    cached_share = await _find_cached_share(client, last, timed)
    for _ in range(1 + bool(scenario.left)):
        advance()
    return _Measured(scenario, summarise(scenario, timed, cached_share), timed)


def _accept(planned: Question, answers: list[Answer]) -> Question:
    """Return the question with the first line of every answer so far behind its prefix."""
    lines = "".join((answer.text.strip("\n").splitlines() or [""])[0] + "\n" for answer in answers)
    cursor = CursorText(planned.cursor.prefix + lines, planned.cursor.suffix)
    return replace(planned, cursor=cursor)


async def _find_cached_share(
    client: BenchClient, last: Question, answers: list[Answer]
) -> float | None:
    """Return the mean share of the prompts that was cached; None where the server does not say."""
    counts = [answer.counts for answer in answers]
    if any(count.cached_tokens is None for count in counts):
        # Streams count cached tokens on few servers, whole answers on most.
        counts = [(await client.ask_whole(last)).counts]
    shares = [
        count.cached_tokens / count.prompt_tokens
        for count in counts
        if count.cached_tokens is not None and count.prompt_tokens
    ]
    return sum(shares) / len(shares) if shares else None
