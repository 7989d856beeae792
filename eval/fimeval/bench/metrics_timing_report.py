"""The table and the JSON line of `fimserve bench metrics`."""

from dataclasses import asdict
from statistics import median
from typing import Any

from rich.table import Table

from fimeval.bench.metrics_timing import TimingResult, TimingSettings
from fimeval.bench.result_line import build_line
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

__all__ = ["build_timing_line", "build_timing_table"]

QUESTIONS = {
    "experiment_s": "an experiment, all metrics",
    "with_past_s": "its second half, the first as users' past",
    "everybody_s": "all traffic",
    "report_s": "from a measurement to a report",
}


def build_timing_table(database: str, result: TimingResult) -> Table:
    """Return a table for people.

    Args:
        database: Sort of database.
        result: What was measured.

    Returns:
        The table.
    """
    title = f"{result.num_events} events in {database}, {result.num_suggestions} suggestions"
    table = Table("question", "median s", "longest s", title=title)
    for name, words in QUESTIONS.items():
        seconds = getattr(result, name)
        table.add_row(words, f"{median(seconds):.2f}", f"{max(seconds):.2f}")
    return table


def build_timing_line(
    database: str,
    result: TimingResult,
    settings: TimingSettings,
    provenance: Provenance,
    gpu: Gpu,
) -> dict[str, Any]:
    """Return the JSON line.

    Args:
        database: Sort of database.
        result: What was measured.
        settings: What was stored.
        provenance: Machine and checkout.
        gpu: The machine's graphics cards.

    Returns:
        One object.
    """
    content = {"database": database, "settings": asdict(settings), **result._asdict()}
    return build_line("metrics", provenance, gpu, True, content)
