"""What tenants could tell of each other, as a table for people and a JSON line for the record."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from fimeval.bench.result_line import build_line
from fimeval.bench.tenant_timing import TimingResult, TimingSettings, describe_results
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

BENCH = "tenants"


def build_tenant_table(results: Sequence[TimingResult]) -> Table:
    """Return the table: one row per attacker.

    Args:
        results: What each could tell.

    Returns:
        The table.
    """
    table = Table(title="can a prompt of the victim be told from others? AUC 0.5: not at all")
    for column in (
        "attacker",
        "n",
        "AUC",
        "95 %",
        "p50 right ms",
        "p50 wrong ms",
        "cached at most",
    ):
        table.add_column(column, justify="left" if column == "attacker" else "right")
    for result in results:
        table.add_row(
            result.attacker,
            str(result.n),
            f"{result.auc:.3f}",
            f"{result.low:.3f} - {result.high:.3f}",
            f"{result.right_ms.p50:.1f}",
            f"{result.wrong_ms.p50:.1f}",
            str(result.max_cached_tokens),
        )
    return table


def build_tenant_line(
    results: Sequence[TimingResult], settings: TimingSettings, provenance: Provenance, gpu: Gpu
) -> dict[str, Any]:
    """Return the JSON line.

    Args:
        results: What each could tell.
        settings: How often they guessed.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object.
    """
    content = {"settings": asdict(settings), "attackers": describe_results(results)}
    return build_line(BENCH, provenance, gpu, True, content)
