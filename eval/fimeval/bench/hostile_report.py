"""A siege as a table for people and a JSON line for the record."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from fimeval.bench.hostile import HostileSettings, Siege, describe_sieges
from fimeval.bench.result_line import build_line
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

BENCH = "hostile"


def build_hostile_table(sieges: Sequence[Siege], settings: HostileSettings) -> Table:
    """Return the table of a siege.

    Args:
        sieges: What was found, attack by attack.
        settings: What was done.

    Returns:
        One row per attack.
    """
    length_s = settings.seconds * settings.num_rounds
    title = f"a bystander at {settings.rate:g} requests/s, {length_s:g} s of each attack"
    table = Table(title=title)
    for column in ("attack", "connections", "opened", "failed", "p95 before", "p95 ms", "times"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    table.add_column("MiB before / after", justify="right")
    for siege in sieges:
        table.add_row(
            siege.name,
            str(siege.num_at_a_time),
            str(siege.num_opened),
            f"{siege.attacked.num_failed} / {siege.attacked.num_requests}",
            f"{siege.quiet.e2e_ms.p95:.0f}",
            f"{siege.attacked.e2e_ms.p95:.0f}",
            f"{siege.slowdown:.2f}",
            f"{_show(siege.rss_before_mib)} / {_show(siege.rss_after_mib)}",
        )
    return table


def build_hostile_line(
    limits: dict[str, str],
    sieges: Sequence[Siege],
    settings: HostileSettings,
    provenance: Provenance,
    gpu: Gpu,
) -> dict[str, Any]:
    """Return the JSON line of a siege.

    Args:
        limits: Settings of the service, beside the defaults.
        sieges: What was found, attack by attack.
        settings: What was done.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.

    Returns:
        One object.
    """
    content = {
        "settings": asdict(settings),
        "limits": limits,
        "sieges": describe_sieges(sieges),
    }
    return build_line(BENCH, provenance, gpu, True, content)


def _show(memory_mib: float | None) -> str:
    return "-" if memory_mib is None else f"{memory_mib:.0f}"
