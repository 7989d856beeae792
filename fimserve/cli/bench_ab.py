"""`fimserve bench ab` and `fimserve bench metrics`: from options to tables and JSON lines."""

import time
from pathlib import Path

from fimeval.bench.ab_simulation import NUM_CHECKS, SimulationSettings, simulate
from fimeval.bench.ab_simulation_report import build_simulation_line, build_simulation_table
from fimeval.bench.databases import open_database
from fimeval.bench.metrics_timing import TimingSettings, measure_timings
from fimeval.bench.metrics_timing_report import build_timing_line, build_timing_table
from fimeval.gpu import find_gpu
from fimeval.provenance import describe_provenance
from fimserve.cli.benching import explain_failures, publish, show_progress
from fimserve.cli.failure import Failure

__all__ = ["run_ab_bench", "run_metrics_bench"]


def run_ab_bench(settings: SimulationSettings, output: Path | None) -> None:
    """Simulate experiments, print the table and the line.

    Args:
        settings: How many.
        output: File that gets the line; None keeps none.

    Raises:
        Failure: If a promise is not kept.
    """
    began = time.perf_counter()
    with explain_failures(), show_progress("repetitions") as advance:
        outcomes = list(simulate(settings, lambda: advance(NUM_CHECKS * settings.repetitions)))
    seconds = time.perf_counter() - began
    line = build_simulation_line(outcomes, settings, seconds, describe_provenance(), find_gpu())
    publish(build_simulation_table(outcomes), line, output)
    if broken := [one.name for one in outcomes if not one.is_kept]:
        raise Failure(f"not as promised: {'; '.join(broken)}")


def run_metrics_bench(settings: TimingSettings, database: str, output: Path | None) -> None:
    """Fill a database, time reports, print the table and the line.

    Args:
        settings: How much.
        database: `sqlite`, `postgresql`, or the URL of an empty one.
        output: File that gets the line; None keeps none.
    """
    with (
        explain_failures(),
        open_database(database) as url,
        show_progress("batches") as advance,
    ):
        result = measure_timings(url, settings, advance)
    name = database.partition(":")[0]
    line = build_timing_line(name, result, settings, describe_provenance(), find_gpu())
    publish(build_timing_table(name, result), line, output)
