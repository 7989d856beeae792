"""Table and JSON line of a goodput search. Measures nothing and prints nothing."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from fimeval.bench.goodput import Goodput, GoodputSettings
from fimeval.bench.percentiles import Percentiles
from fimeval.bench.result_line import build_line
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

BENCH = "goodput"


def build_goodput_table(found: Goodput, settings: GoodputSettings) -> Table:
    """Return one row per rate, slowest first; fits 80 columns."""
    objective = settings.objective
    table = Table(
        title=describe_goodput(found),
        caption=f"objective: first text in {objective.ttft_ms:.0f} ms and last byte in "
        f"{objective.e2e_ms:.0f} ms for {settings.attainment:.0%} of the\nrequests that were "
        "waited for, or left too late; left: the next key came in time\n"
        "ttft, e2e: p95 of whole answers, ms",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    names = ("req/s", "editors", "sent", "left", "refused", "failed", "met", "ttft", "e2e", "lag")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for trial in sorted(found.trials, key=lambda trial: trial.rate):
        tally = trial.tally
        table.add_row(
            f"{trial.rate:.3g}",
            str(trial.num_editors),
            str(tally.num_requests),
            str(tally.num_requests - tally.num_judged),
            str(tally.outcomes["refused"]),
            str(tally.outcomes["failed"]),
            f"{trial.attained:.1%}",
            _show_p95(tally.ttft_ms),
            _show_p95(tally.e2e_ms),
            _show_p95(tally.lag_ms),
            style="bold" if trial.rate == found.rate else None,
        )
    return table


def describe_goodput(found: Goodput) -> str:
    """Return the result in a few words."""
    if found.rate is None:
        return "goodput: none, the lowest rate missed the objective"
    least = "at least " if found.is_limited else ""
    return f"goodput: {least}{found.rate:.3g} requests/s, {found.num_editors} editors"


def build_goodput_line(
    server: dict[str, Any],
    found: Goodput,
    settings: GoodputSettings,
    provenance: Provenance,
    gpu: Gpu,
) -> dict[str, Any]:
    """Return the JSON line of a search.

    Args:
        server: What is known of the server.
        found: The result.
        settings: What was searched for.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object, every trial in the order of measuring.
    """
    plain = asdict(settings)
    for name in ("corpus", "tokenizer"):  # where somebody's files lie is nobody's business
        plain[name] = plain[name].name if plain[name] else None
    content = {"settings": plain, "server": server, **asdict(found)}
    return build_line(BENCH, provenance, gpu, server["url"] is None, content)


def _show_p95(found: Percentiles | None) -> str:
    return "-" if found is None else f"{found.p95:.0f}"
