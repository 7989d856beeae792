"""From the options of `fimserve bench events` to the table and the JSON line.

Composes `fimeval.bench` and owns no rule of measuring.
"""

import asyncio
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fimeval.bench.databases import open_database
from fimeval.bench.ingest import IngestResult, IngestSettings, measure_ingest
from fimeval.bench.ingest_beside import Beside, BesideSettings, measure_beside
from fimeval.bench.ingest_report import (
    build_beside_table,
    build_ingest_line,
    build_ingest_table,
)
from fimeval.gpu import find_gpu
from fimeval.own_server import run_own_server
from fimeval.provenance import describe_provenance
from fimserve.cli.benching import explain_failures, publish, show_progress
from fimserve.cli.failure import Failure

__all__ = ["IngestOptions", "run_ingest_bench"]


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What the command line asked for."""

    url: str | None
    model: str
    database: str
    rate: float
    batch: int
    seconds: float
    warmup_s: float
    connections: int
    seed: int
    rounds: int = 0
    """Pairs of stretches of completions without and with events."""

    def to_settings(self) -> IngestSettings:
        """Return what is sent."""
        return IngestSettings(
            rate=self.rate,
            batch_events=self.batch,
            seconds=self.seconds,
            warmup_s=self.warmup_s,
            num_connections=self.connections,
            seed=self.seed,
        )

    def to_beside(self) -> BesideSettings:
        """Return how completions are asked for beside events."""
        return BesideSettings(
            rounds=self.rounds,
            seconds=self.seconds,
            rate=self.rate,
            batch_events=self.batch,
            seed=self.seed,
        )

    def name_database(self) -> str:
        """Return the sort of database; its address may hold a password."""
        return "unknown" if self.url else self.database.partition(":")[0]


def run_ingest_bench(options: IngestOptions, output: Path | None) -> None:
    """Measure, print the table and the line; Failure where a batch was not stored.

    Args:
        options: What the command line asked for.
        output: File that gets the line; None keeps none.
    """
    settings = options.to_settings()
    with explain_failures(), _open_server(options) as url, show_progress("batches") as advance:
        paced = math.ceil((settings.warmup_s + settings.seconds) * options.rate / options.batch)
        result = asyncio.run(
            measure_ingest(
                url, settings, os.environ.get("FIMSERVE_API_KEY"), lambda: advance(paced)
            )
        )
        beside = _measure_beside(url, options)
    name = options.name_database()
    line = build_ingest_line(
        name, result, settings, describe_provenance(), find_gpu(), options.url is None, beside
    )
    if beside is not None:
        Console().print(build_beside_table(*beside))
    publish(build_ingest_table(name, result, settings), line, output)
    _check(result)


def _measure_beside(url: str, options: IngestOptions) -> tuple[Beside, BesideSettings] | None:
    if not options.rounds:
        return None
    settings = options.to_beside()
    key = os.environ.get("FIMSERVE_API_KEY")
    return asyncio.run(measure_beside(url, settings, key)), settings


def _check(result: IngestResult) -> None:
    failed = (result.paced.outcomes + result.flat_out.outcomes).keys() - {"200"}
    if failed:
        raise Failure(f"some batches were not stored: {', '.join(sorted(failed))}")


@contextmanager
def _open_server(options: IngestOptions) -> Iterator[str]:
    if options.url is not None:
        yield options.url
        return
    with (
        open_database(options.database) as database,
        run_own_server(options.model, {"FIMSERVE_TELEMETRY_URL": database}) as url,
    ):
        yield url
