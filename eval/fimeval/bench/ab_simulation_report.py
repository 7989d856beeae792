"""The table and the JSON line of `fimserve bench ab`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from fimeval.bench.ab_simulation import Outcome, SimulationSettings
from fimeval.bench.result_line import build_line
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

__all__ = ["build_simulation_line", "build_simulation_table"]


def build_simulation_table(outcomes: Sequence[Outcome]) -> Table:
    """Return a table for people.

    Args:
        outcomes: All checks.

    Returns:
        The table.
    """
    table = Table("simulated experiments", "rate", "error", "should be", "", title="bench ab")
    for one in outcomes:
        table.add_row(
            one.name,
            f"{one.rate:.2%}",
            f"{one.error:.2%}",
            f"{one.least:.1%} to {one.most:.1%}",
            "as promised" if one.is_kept else "NOT AS PROMISED",
        )
    return table


def build_simulation_line(
    outcomes: Sequence[Outcome],
    settings: SimulationSettings,
    seconds: float,
    provenance: Provenance,
    gpu: Gpu,
) -> dict[str, Any]:
    """Return the JSON line.

    Args:
        outcomes: All checks.
        settings: What was simulated.
        seconds: How long it took.
        provenance: Machine and checkout.
        gpu: The machine's graphics cards.

    Returns:
        One object.
    """
    content = {
        "settings": asdict(settings),
        "seconds": round(seconds, 1),
        "outcomes": [{**one._asdict(), "is_kept": one.is_kept} for one in outcomes],
    }
    return build_line("ab", provenance, gpu, True, content)
