"""`fimserve eval compare`: two runs side by side, as a table, a JSON line and a page."""

import json
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from fimeval.bootstrap import BootstrapSettings
from fimeval.compare import Comparison, compare_runs
from fimeval.compare_page import build_page
from fimserve.cli.evaluation import explain_failures

__all__ = ["run_compare"]


def run_compare(
    first: Path,
    second: Path,
    data: Path | None,
    html: Path | None,
    max_rows: int,
    seed: int,
    execute: bool,
    as_json: bool,
) -> None:
    """Compare two runs and show the differences.

    Args:
        first: Generations file of the run to compare with.
        second: Generations file of the run in question.
        data: Benchmark file; None takes it from where generation found it.
        html: Page to write; None writes none.
        max_rows: Rows on that page.
        seed: Seed of the bootstrap.
        execute: Whether the programs are run too.
        as_json: Whether stdout gets one JSON line.
    """
    with explain_failures():
        comparison = compare_runs(first, second, data, BootstrapSettings(seed=seed), execute)
        console = Console(stderr=as_json)
        console.print(_build_table(comparison))
        if html is not None:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(build_page(comparison, max_rows), encoding="utf-8")
            console.print(f"page: {html}", soft_wrap=True)
        if as_json:
            print(json.dumps(_flatten(comparison)))


def _build_table(comparison: Comparison) -> Table:
    table = Table(
        title=f"{comparison.task.name} {comparison.task.subset}: second minus first, points",
        caption=f"first:  {comparison.first.path}\nsecond: {comparison.second.path}\n"
        "intervals resample whole clusters; p by sign flips of clusters; "
        "the first line is the one decided on beforehand",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for name in ("rule", "slice", "language"):
        table.add_column(name, no_wrap=True)
    for name in ("first %", "second %", "difference", "95% CI", "p", "rows", "won", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in comparison.differences:
        has_interval = one.ci_low is not None and one.ci_high is not None
        table.add_row(
            one.rule,
            one.slice,
            one.language,
            f"{100 * one.first:.2f}",
            f"{100 * one.second:.2f}",
            f"{100 * one.difference:+.2f}",
            f"{100 * (one.ci_low or 0):+.1f} {100 * (one.ci_high or 0):+.1f}"
            if has_interval
            else "-",
            "-" if one.p_value is None else f"{one.p_value:.4f}",
            str(one.num_rows),
            str(one.num_won),
            str(one.num_lost),
        )
    return table


def _flatten(comparison: Comparison) -> dict[str, object]:
    return {
        "task": comparison.task.name,
        "subset": comparison.task.subset,
        "data_sha256": comparison.task.data_sha256,
        "first": asdict(comparison.first.settings),
        "second": asdict(comparison.second.settings),
        "differences": [asdict(one) for one in comparison.differences],
    }
