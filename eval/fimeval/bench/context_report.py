"""Table and JSON line of the bench of context. Measures nothing and prints nothing."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from fimeval.bench.context import ContextResult, ContextSettings
from fimeval.bench.result_line import build_line
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

__all__ = ["build_context_line", "build_context_table"]

BENCH = "context"


def build_context_table(result: ContextResult) -> Table:
    """Return one row per thing that was timed."""
    title = (
        f"context of {result.num_files} files, {result.num_chars / 1e6:.1f} M characters, "
        f"{result.memory_mib:.0f} MiB"
    )
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("what", no_wrap=True)
    for name in ("p50 ms", "p95 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for name, found in (("question", result.query_ms), ("changed file", result.update_ms)):
        table.add_row(name, *(f"{value:.1f}" for value in asdict(found).values()))
    table.add_row("making the index", f"{result.build_s * 1000:.0f}", "", "")
    table.add_row("making it anew", f"{result.compact_s * 1000:.0f}", "", "")
    return table


def build_context_line(
    result: ContextResult, settings: ContextSettings, provenance: Provenance, gpu: Gpu
) -> dict[str, Any]:
    """Return the JSON line of a run.

    Args:
        result: What was measured.
        settings: What was asked for.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object.
    """
    # Where a repository lies is nobody's business.
    asked = {**asdict(settings), "repository": settings.repository and settings.repository.name}
    return build_line(BENCH, provenance, gpu, True, {"settings": asked, "result": asdict(result)})
