"""What measured requests add up to: percentiles, the table for people, the JSON line.

Measures nothing and prints nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from fimeval.gpu import Gpu
from fimeval.provenance import Provenance
from fimeval.streaming_client import Timing
from fimserve.prompt import Order

BENCH = "latency"


@dataclass(frozen=True, slots=True)
class LatencyRun:
    """What a run was asked for, and what it asked the server."""

    url: str | None
    """Address of the server; None where the run started its own."""
    model: str
    n: int
    """Timed requests of each scenario."""
    warmup: int
    """Requests of each scenario before them."""
    prefix_tokens: int
    """Wanted length; what the server counted stands with the results."""
    suffix_tokens: int
    max_tokens: int
    offset_chars: int
    """Where in the project's sources the prompts were cut from."""
    prompts_sha256: str
    """Hash over all prompts in the order they were sent, a scenario's orders apart."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Three points of a distribution, interpolated between neighbouring values."""

    p50: float
    p95: float
    p99: float


PERCENTILES = tuple(field.name for field in fields(Percentiles))


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What the requests of one scenario took."""

    scenario: str
    order: Order | None
    """None where the server chose the order of the prompt."""
    n: int
    """Timed requests."""
    ttft_ms: Percentiles
    e2e_ms: Percentiles
    ms_per_token: Percentiles | None
    """None where no answer had a second token, or none was counted."""
    cached_share: float | None
    prompt_tokens: float | None
    """Mean per request."""
    new_tokens: float | None
    finish_reasons: dict[str, int]

    @property
    def label(self) -> str:
        """Name of the row in the table."""
        return self.scenario if self.order is None else f"{self.scenario} {self.order}"


def find_percentiles(values: Sequence[float]) -> Percentiles:
    """Return p50, p95 and p99 of at least one value, to the microsecond."""
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).round(3).tolist()
    return Percentiles(p50, p95, p99)


def summarise(
    scenario: str, order: Order | None, timings: Sequence[Timing], cached_share: float | None
) -> ScenarioResult:
    """Return the distributions of the requests of one scenario.

    Args:
        scenario: Its name.
        order: Order that was asked for.
        timings: The timed requests, at least one.
        cached_share: Share of the prompt that was cached.

    Returns:
        The result.
    """
    per_token = [t.ms_per_token for t in timings if t.ms_per_token is not None]
    return ScenarioResult(
        scenario=scenario,
        order=order,
        n=len(timings),
        ttft_ms=find_percentiles([timing.ttft_ms for timing in timings]),
        e2e_ms=find_percentiles([timing.e2e_ms for timing in timings]),
        ms_per_token=find_percentiles(per_token) if per_token else None,
        cached_share=None if cached_share is None else round(cached_share, 4),
        prompt_tokens=_find_mean([timing.num_prompt_tokens for timing in timings]),
        new_tokens=_find_mean([timing.num_new_tokens for timing in timings]),
        finish_reasons=dict(sorted(Counter(timing.finish_reason for timing in timings).items())),
    )


def build_latency_table(title: str, results: Sequence[ScenarioResult]) -> Table:
    """Return three rows per scenario and order, one for each percentile; fits 80 columns."""
    table = Table(
        title=title,
        caption="ttft: to the first text, e2e: to the last byte, by the client's clock\n"
        "ms/token: after the first one; tokens: of the prompt + new, mean",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("scenario", no_wrap=True)
    for name in ("", "ttft ms", "e2e ms", "ms/token", "cached", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        _add_rows(table, result)
    return table


def _add_rows(table: Table, result: ScenarioResult) -> None:
    cached = "-" if result.cached_share is None else f"{result.cached_share:.1%}"
    tokens = f"{_show_mean(result.prompt_tokens)}+{_show_mean(result.new_tokens)}"
    once = (result.label, cached, tokens)
    for name in PERCENTILES:
        label, *rest = once if name == PERCENTILES[0] else ("", "", "")
        measured = (result.ttft_ms, result.e2e_ms, result.ms_per_token)
        numbers = ("-" if found is None else _show_ms(getattr(found, name)) for found in measured)
        table.add_row(label, name, *numbers, *rest)
    table.add_section()


def build_latency_line(
    run: LatencyRun, results: Sequence[ScenarioResult], provenance: Provenance, gpu: Gpu
) -> dict[str, Any]:
    """Return the JSON line of a run.

    Args:
        run: What was asked for.
        results: What was found.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object, the scenarios as a list in the order they were measured.
    """
    # A server at an address has versions of its own, which nobody here knows.
    packages = provenance.environment.packages if run.url is None else {}
    return {
        "bench": BENCH,
        "gpu": gpu.name,
        "driver": gpu.driver,
        "torch": packages.get("torch"),
        "triton": packages.get("triton"),
        "commit": provenance.commit,
        "dirty": provenance.is_dirty,
        "settings": asdict(run),
        "warmup": run.warmup,
        "n": run.n,
        "scenarios": [asdict(result) for result in results],
        "provenance": asdict(provenance),
    }


def _find_mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return round(sum(known) / len(known), 2) if len(known) == len(counts) else None


def _show_ms(value_ms: float) -> str:
    return f"{value_ms:.1f}" if value_ms >= 9.95 else f"{value_ms:.2f}"


def _show_mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
