"""Table and JSON line of the bench of events. Measures nothing and prints nothing."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from fimeval.bench.ingest import IngestResult, IngestSettings, Phase
from fimeval.bench.ingest_beside import Beside, BesideSettings
from fimeval.bench.result_line import build_line
from fimeval.gpu import Gpu
from fimeval.provenance import Provenance

__all__ = ["build_beside_table", "build_ingest_line", "build_ingest_table"]

BENCH = "events"


def build_ingest_table(database: str, result: IngestResult, settings: IngestSettings) -> Table:
    """Return one row per phase; fits 80 columns."""
    table = Table(
        title=f"events into {database}, {settings.batch_events} in a batch",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("load", no_wrap=True)
    for name in ("events/s", "p50 ms", "p95 ms", "p99 ms", "not stored"):
        table.add_column(name, justify="right")
    names = (f"{settings.rate:g} events/s", f"{settings.num_connections} connections, flat out")
    for name, phase in zip(names, (result.paced, result.flat_out), strict=True):
        found = phase.latency_ms
        shown = ["-"] * 3 if found is None else [f"{x:.1f}" for x in asdict(found).values()]
        table.add_row(name, f"{phase.events_per_s:.0f}", *shown, str(_count_failed(phase)))
    return table


def build_ingest_line(
    database: str,
    result: IngestResult,
    settings: IngestSettings,
    provenance: Provenance,
    gpu: Gpu,
    is_own_server: bool,
    beside: tuple[Beside, BesideSettings] | None = None,
) -> dict[str, Any]:
    """Return the JSON line of a run.

    Args:
        database: Sort of database, without its address.
        result: What was measured.
        settings: What was sent.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.
        is_own_server: Whether the run started the server.
        beside: What completions noticed, and how they were asked for; None where none were.

    Returns:
        One object.
    """
    content: dict[str, Any] = {
        "settings": asdict(settings),
        "database": database,
        "paced": _describe(result.paced),
        "flat_out": _describe(result.flat_out),
    }
    if beside is not None:
        content["completions"] = _describe_beside(*beside)
    return build_line(BENCH, provenance, gpu, is_own_server, content)


def _describe(phase: Phase) -> dict[str, Any]:
    found = phase.latency_ms
    return {
        "events_per_s": round(phase.events_per_s, 1),
        "num_batches": len(phase.latencies_ms),
        "latency_ms": None if found is None else asdict(found),
        "outcomes": dict(phase.outcomes),
    }


def _count_failed(phase: Phase) -> int:
    return sum(count for outcome, count in phase.outcomes.items() if outcome != "200")


def build_beside_table(beside: Beside, settings: BesideSettings) -> Table:
    """Return completions alone and beside events; fits 80 columns."""
    table = Table(
        title=f"completions, {settings.completions_per_s:g} a second", box=box.SIMPLE_HEAD
    )
    table.add_column("beside", no_wrap=True)
    for name in ("completions", "p50 ms", "p95 ms", "p99 ms", "failed"):
        table.add_column(name, justify="right")
    for name, stretches in (
        ("nothing", beside.alone),
        ("the sender alone", beside.sender_only),
        (f"{settings.rate:g} events/s", beside.beside),
    ):
        found = stretches.latency_ms
        shown = ["-"] * 3 if found is None else [f"{x:.1f}" for x in asdict(found).values()]
        table.add_row(name, str(len(stretches.latencies_ms)), *shown, str(stretches.num_failed))
    if (change := beside.p95_change) is not None:
        table.caption = f"p95 changes by {change:+.1%}"
        if (by_server := beside.p95_change_by_server) is not None:
            table.caption += f", {by_server:+.1%} of what it is beside the sender alone"
    if (batches := beside.beside.batch_latency_ms) is not None:
        told = " / ".join(f"{point:.1f}" for point in asdict(batches).values())
        table.caption = f"{table.caption or ''}\nbatches meanwhile: p50 / p95 / p99 {told} ms"
    return table


def _describe_beside(beside: Beside, settings: BesideSettings) -> dict[str, Any]:
    told: dict[str, Any] = {"settings": asdict(settings), "p95_change": beside.p95_change}
    told["p95_change_by_sender"] = beside.p95_change_by_sender
    told["p95_change_by_server"] = beside.p95_change_by_server
    for name, stretches in (
        ("alone", beside.alone),
        ("sender_only", beside.sender_only),
        ("beside", beside.beside),
    ):
        found, batches = stretches.latency_ms, stretches.batch_latency_ms
        told[name] = {
            "num_completions": len(stretches.latencies_ms),
            "latency_ms": None if found is None else asdict(found),
            "num_failed": stretches.num_failed,
            "num_events": stretches.num_events,
            "sender_cpu_s": round(stretches.sender_cpu_s, 2),
            "batch_latency_ms": None if batches is None else asdict(batches),
        }
    return told
