"""What the requests of the latency bench add up to: percentiles, the table, the JSON line.

Measures nothing and prints nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table

from fimeval.bench.answer import Answer
from fimeval.bench.paired import PairedScenario
from fimeval.bench.percentiles import (
    PERCENTILES,
    Percentiles,
    find_percentiles,
    find_percentiles_of_any,
)
from fimeval.bench.result_line import build_line
from fimeval.bench.scenarios import Scenario
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance
from fimserve.prompt import Order

BENCH = "latency"


@dataclass(frozen=True, slots=True)
class LatencyRun:
    """What a run was asked for, and what it asked the servers."""

    n: int
    """Timed requests of each scenario."""
    warmup: int
    """Requests of each scenario before them."""
    tokens: tuple[int, ...]
    """Wanted lengths; what the server counted stands with the results."""
    suffix_share: float
    max_tokens: int
    corpus: str | None
    """Name of the directory of sources; None for this project's own."""
    offset_chars: int
    """Where in the sources the prompts were cut from."""
    prompts_sha256: str
    """Hash over all prompts that were planned, whichever server they were for."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What the requests of one scenario took."""

    scenario: str
    tokens: int
    """Wanted length of the prompt."""
    order: Order | None
    """None where the server chose the order of the prompt."""
    n: int
    """Timed requests."""
    ttft_ms: Percentiles
    e2e_ms: Percentiles
    ms_per_token: Percentiles | None
    """None where no answer had a second token."""
    cached_share: float | None
    """None where the server does not say."""
    prompt_tokens: float | None
    """Mean per request, as the server counted; None where it does not."""
    new_tokens: float | None
    """The same for new tokens; pieces of text where the server does not count."""
    is_counted: bool
    """Whether the server counted the new tokens."""
    finish_reasons: dict[str, int]
    num_short: int
    """Answers with fewer new tokens than were asked for."""

    @property
    def label(self) -> str:
        """Name of the row in the table."""
        return self.scenario if self.order is None else f"{self.scenario} {self.order}"


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What one server took."""

    server: dict[str, Any]
    """The server: name, address, dialect, model, what it understands."""
    scenarios: tuple[ScenarioResult, ...]


def summarise(
    scenario: Scenario, answers: Sequence[Answer], cached_share: float | None
) -> ScenarioResult:
    """Return the distributions of the requests of one scenario.

    Args:
        scenario: What was asked.
        answers: The timed requests, at least one, all of them whole.
        cached_share: Share of the prompt that was cached.

    Returns:
        The result.
    """
    wanted = scenario.questions[0].max_tokens
    per_token = [answer.ms_per_token for answer in answers if answer.ms_per_token is not None]
    return ScenarioResult(
        scenario=scenario.kind,
        tokens=scenario.size.tokens,
        order=scenario.order,
        n=len(answers),
        ttft_ms=find_percentiles([answer.first_ms for answer in answers]),
        e2e_ms=find_percentiles([answer.e2e_ms for answer in answers]),
        ms_per_token=find_percentiles_of_any(per_token),
        cached_share=None if cached_share is None else round(cached_share, 4),
        prompt_tokens=_find_mean([answer.counts.prompt_tokens for answer in answers]),
        new_tokens=_find_mean([answer.num_new_tokens or 0 for answer in answers]),
        is_counted=all(answer.counts.new_tokens is not None for answer in answers),
        finish_reasons=dict(sorted(Counter(answer.reason for answer in answers).items())),
        num_short=sum((answer.num_new_tokens or 0) < wanted for answer in answers),
    )


def build_latency_table(title: str, results: Sequence[TargetResult]) -> Table:
    """Return three rows per scenario and server, one for each percentile; fits 80 columns."""
    table = Table(
        title=title,
        caption="ttft: to the first text, e2e: to the last byte, by the client's clock\n"
        "ms/tok: after the first one; tokens: of the prompt + new, mean (~: pieces of text)\n"
        + "\n".join(_describe_server(result) for result in results),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("scenario", no_wrap=True)
    if is_several := len(results) > 1:
        table.add_column("server", no_wrap=True)
    for name in ("", "ttft ms", "e2e ms", "ms/tok", "cached", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for rows in _align(results):
        for target, result in rows:
            _add_rows(table, result, target.server["name"] if is_several else None)
        table.add_section()
    return table


def build_latency_line(
    run: LatencyRun,
    results: Sequence[TargetResult],
    pairs: Sequence[PairedScenario],
    provenance: Provenance,
    gpu: Gpu,
) -> dict[str, Any]:
    """Return the JSON line of a run.

    Args:
        run: What was asked for.
        results: What was found.
        pairs: What further servers add to the first one's times.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object, for each server its scenarios in the order they were measured.
    """
    is_own = any(result.server["url"] is None for result in results)
    content = {
        "settings": asdict(run),
        "warmup": run.warmup,
        "n": run.n,
        "servers": [asdict(result) for result in results],
        "paired": [asdict(one) for one in pairs],
    }
    return build_line(BENCH, provenance, gpu, is_own, content)


def _align(
    results: Sequence[TargetResult],
) -> list[list[tuple[TargetResult, ScenarioResult]]]:
    """Return the rows of equal scenarios of all servers next to each other."""
    groups: dict[tuple[str, int], list[tuple[TargetResult, ScenarioResult]]] = {}
    for target in results:
        for result in target.scenarios:
            groups.setdefault((result.scenario, result.tokens), []).append((target, result))
    return list(groups.values())


def _add_rows(table: Table, result: ScenarioResult, server: str | None) -> None:
    cached = "-" if result.cached_share is None else f"{result.cached_share:.1%}"
    about = "" if result.is_counted else "~"
    tokens = f"{_show_mean(result.prompt_tokens)}+{about}{_show_mean(result.new_tokens)}"
    for name in PERCENTILES:
        is_first = name == PERCENTILES[0]
        label = [result.label if is_first else ""]
        if server is not None:
            label.append(server if is_first else "")
        measured = (result.ttft_ms, result.e2e_ms, result.ms_per_token)
        numbers = ("-" if found is None else _show_ms(getattr(found, name)) for found in measured)
        table.add_row(*label, name, *numbers, *((cached, tokens) if is_first else ("", "")))


def _describe_server(result: TargetResult) -> str:
    server = result.server
    num_short = sum(scenario.num_short for scenario in result.scenarios)
    told = {
        "none": "cannot be told how long an answer must be",
        "ignore_eos": "told by ignore_eos",
        "min_tokens": "told by min_tokens",
    }
    adapter = f" with adapter {server['adapter']}" if server["adapter"] else ""
    return (
        f"{server['name']}: {server['dialect']} at {server['url'] or 'its own server'}{adapter}, "
        f"{told[server['length_control']]}, {num_short} short answers"
    )


def _find_mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return round(sum(known) / len(known), 2) if len(known) == len(counts) else None


def _show_ms(value_ms: float) -> str:
    return f"{value_ms:.1f}" if value_ms >= 9.95 else f"{value_ms:.2f}"


def _show_mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
