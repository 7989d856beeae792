"""Score and compare what an ablation left behind, and draw it.

    python -m fimeval.ablation RESULTS --data DEV.jsonl.gz --figure docs/pictures/ablation.svg \\
        --output eval/results/ablation.jsonl

RESULTS is what `python -m fimtraining.finetune.ablation` wrote, whole or as far as it came. Prints
tables, and one JSON line last.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fimeval.ablation_analysis import AblationAnalysis, Analyst, Gain, Interaction, Level
from fimeval.ablation_figure import draw_gains
from fimeval.ablation_results import load_units, score_units
from fimeval.bootstrap import BootstrapSettings
from fimeval.errors import EvalError
from fimeval.generations import append_line
from fimeval.provenance import describe_provenance
from fimeval.tasks import load_task


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and do it.

    Args:
        arguments: Command line without the program's name; None takes the process's own.

    Raises:
        SystemExit: With a message, if results or rows cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m fimeval.ablation")
    parser.add_argument("results", type=Path, help="directory of results-*.jsonl.gz")
    parser.add_argument("--data", type=Path, required=True, help="the held-out rows")
    parser.add_argument("--figure", type=Path, help="picture to draw, .svg or .png")
    parser.add_argument("--context", default="own", help="context that the picture shows")
    parser.add_argument("--output", type=Path, help="file that gets the JSON line at its end")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    given = parser.parse_args(arguments)
    settings = BootstrapSettings(seed=given.seed)
    try:
        units = load_units(given.results)
        task = load_task("repo", given.data)
        analysis = Analyst(task, settings).analyse(score_units(units, task))
    except EvalError as error:
        raise SystemExit(f"error: {error}") from None
    console = Console()
    for table in build_tables(analysis):
        console.print(table)
    console.print(describe_primary(analysis), soft_wrap=True, highlight=False)
    if given.figure is not None:
        draw_gains(analysis, given.context, given.figure)
    line = build_line(analysis, units, settings)
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        append_line(given.output, line)
    print(json.dumps(line))  # noqa: T201


def build_line(
    analysis: AblationAnalysis, units: Sequence[Mapping[str, Any]], settings: BootstrapSettings
) -> dict[str, Any]:
    """Return the JSON line of an analysis, with what each unit was made from.

    Args:
        analysis: What was found.
        units: The units, whose answers and curves are left out.
        settings: How intervals were drawn.

    Returns:
        Plain values.
    """
    return {
        "bench": "ablation",
        "dev_sha256": units[0]["dev_sha256"],
        "interval": asdict(settings),
        **asdict(analysis),
        "units": [
            {key: value for key, value in unit.items() if key not in ("answers", "metrics")}
            for unit in units
        ],
        "provenance": asdict(describe_provenance()),
    }


def describe_primary(analysis: AblationAnalysis) -> str:
    """Return in one sentence what came out of the comparison decided on beforehand."""
    gain = analysis.primary
    if gain is None:
        return "the comparison decided on beforehand has not been run yet"
    if gain.ci_low is None or gain.ci_high is None:
        return "there are too few clusters for an interval"
    verdict = (
        "better" if gain.ci_low > 0 else "worse" if gain.ci_high < 0 else "neither better nor worse"
    )
    return (
        f"{gain.regime} is {verdict} than {gain.against} on {gain.base}: exact match "
        f"{100 * gain.gain:+.2f} points (95 % interval {100 * gain.ci_low:+.2f} to "
        f"{100 * gain.ci_high:+.2f}, p {gain.p_value:.4f})"
    )


def build_tables(analysis: AblationAnalysis) -> list[Table]:
    """Return the tables for people: levels, gains, gains by slice, and by size."""
    return [
        _build_levels(analysis.levels),
        _build_gains("gains, points", analysis.gains, "regime"),
        _build_gains("cmft over random by kind and lines, points", analysis.by_slice, "slice"),
        _build_interactions(analysis.interactions),
    ]


def _make_table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0)
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _build_levels(levels: Sequence[Level]) -> Table:
    table = _make_table(
        "scores, %", ("base", "regime", "context", "rule"), ("score", "95% CI", "sd of seeds")
    )
    for one in levels:
        table.add_row(
            one.base,
            one.regime,
            one.context,
            one.rule,
            f"{100 * one.value:.2f}",
            _show_interval(one.ci_low, one.ci_high, ""),
            "-" if one.seed_sd is None else f"{100 * one.seed_sd:.2f}",
        )
    return table


def _build_gains(title: str, gains: Sequence[Gain], name: str) -> Table:
    table = _make_table(
        title, ("base", name, "context", "rule"), ("gain", "95% CI", "p", "Holm", "rows")
    )
    for one in gains:
        table.add_row(
            one.base,
            one.slice if name == "slice" else f"{one.regime} - {one.against}",
            one.context,
            one.rule,
            f"{100 * one.gain:+.2f}",
            _show_interval(one.ci_low, one.ci_high, "+"),
            _show_p(one.p_value),
            _show_p(one.p_holm),
            str(one.num_rows),
        )
    return table


def _build_interactions(interactions: Sequence[Interaction]) -> Table:
    table = _make_table(
        "gain over random of the smaller base minus that of the larger, points",
        ("bases", "regime", "context", "rule"),
        ("difference", "95% CI", "p"),
    )
    for one in interactions:
        table.add_row(
            f"{one.small} - {one.large}",
            one.regime,
            one.context,
            one.rule,
            f"{100 * one.difference:+.2f}",
            _show_interval(one.ci_low, one.ci_high, "+"),
            _show_p(one.p_value),
        )
    return table


def _show_interval(low: float | None, high: float | None, sign: str) -> str:
    return "-" if low is None or high is None else f"{100 * low:{sign}.1f} {100 * high:{sign}.1f}"


def _show_p(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
