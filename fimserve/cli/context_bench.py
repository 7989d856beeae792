"""From the options of `fimserve bench context` to the table and the JSON line."""

from pathlib import Path

from fimeval.bench.context import ContextSettings, measure_context
from fimeval.bench.context_report import build_context_line, build_context_table
from fimeval.gpu import find_gpu
from fimeval.provenance import describe_provenance
from fimserve.cli.benching import explain_failures, publish, show_progress

__all__ = ["run_context_bench"]


def run_context_bench(settings: ContextSettings, output: Path | None) -> None:
    """Measure, print the table and the line.

    Args:
        settings: What is measured.
        output: File that gets the line; None keeps none.
    """
    with explain_failures(), show_progress("turns") as advance:
        result = measure_context(settings, advance)
    line = build_context_line(result, settings, describe_provenance(), find_gpu())
    publish(build_context_table(result), line, output)
