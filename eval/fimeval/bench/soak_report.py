"""Table and JSON line of a soak. Measures nothing and prints nothing."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from fimeval.bench.percentiles import Percentiles
from fimeval.bench.result_line import build_line
from fimeval.bench.soak import SoakResult, SoakSettings
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

BENCH = "soak"


def build_soak_table(result: SoakResult, settings: SoakSettings) -> Table:
    """Return one row per thing counted; fits 80 columns."""
    problems = result.list_problems()
    table = Table(
        title=f"soak: {result.seconds / 60:.3g} minutes at {settings.rate:.3g} requests/s, "
        f"{result.num_editors} editors",
        caption="\n".join(f"PROBLEM: {problem}" for problem in problems) or "no problem found",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_header=False,
    )
    table.add_column(no_wrap=True)
    table.add_column()
    tally = result.tally
    table.add_row("requests", str(tally.num_requests))
    for outcome, count in tally.outcomes.items():
        table.add_row(f"  {outcome}", str(count))
    for fault, count in tally.faults.items():
        table.add_row(f"    {fault}", str(count))
    table.add_row("malformed", str(sum(result.malformed.values())))
    table.add_row("  wrongly answered", str(result.num_wrong_answers))
    for name, found in (("ttft ms", tally.ttft_ms), ("e2e ms", tally.e2e_ms)):
        table.add_row(f"{name} p50 / p95 / p99", _show(found))
    table.add_row("cached", "-" if tally.cached_share is None else f"{tally.cached_share:.1%}")
    table.add_row("memory MiB", _describe_memory(result))
    table.add_row("blocks free / all after", _describe_blocks(result))
    return table


def build_soak_line(
    server: dict[str, Any],
    result: SoakResult,
    settings: SoakSettings,
    provenance: Provenance,
    gpu: Gpu,
) -> dict[str, Any]:
    """Return the JSON line of a soak.

    Args:
        server: What is known of the server.
        result: What was found.
        settings: What was done.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object; the curves are thinned to what a picture needs.
    """
    plain = asdict(settings)
    for name in ("corpus", "tokenizer"):  # where somebody's files lie is nobody's business
        plain[name] = plain[name].name if plain[name] else None
    plain.pop("pid")
    found = asdict(result)
    found["windows"] = [
        {
            "at_s": window.at_s,
            "outcomes": window.tally.outcomes,
            "attained": round(window.tally.attained, 4),
            "ttft_ms": _as_dict(window.tally.ttft_ms),
            "e2e_ms": _as_dict(window.tally.e2e_ms),
        }
        for window in result.windows
    ]
    problems = list(result.list_problems())
    content = {
        "settings": plain,
        "server": server,
        "problems": problems,
        "rss_growth_mib": result.rss_growth_mib,
        **found,
    }
    return build_line(BENCH, provenance, gpu, server["url"] is None, content)


def _describe_memory(result: SoakResult) -> str:
    known = [sample.rss_mib for sample in result.samples if sample.rss_mib is not None]
    if not known:
        return "- (give --pid of a server on this machine)"
    growth = result.rss_growth_mib
    since = "-" if growth is None else f"{growth:+.1f}"
    return f"{known[0]:.0f} first, {max(known):.0f} most, {since} since half-time"


def _describe_blocks(result: SoakResult) -> str:
    after = result.after
    if after.num_blocks is None or after.num_free_blocks is None:
        return "- (the server does not say)"
    return f"{after.num_free_blocks} / {after.num_blocks}"


def _show(found: Percentiles | None) -> str:
    return "-" if found is None else f"{found.p50:.0f} / {found.p95:.0f} / {found.p99:.0f}"


def _as_dict(found: Percentiles | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)
