"""Tables for people: what a run found, and whether the scorer passes its own test.

Builds rich tables and prints nothing.
"""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from fimeval.bootstrap import ClusterEstimate
from fimeval.generations import RunSettings
from fimeval.references import ReferenceCheck
from fimeval.report import Result
from fimeval.score import Score
from fimeval.task import Task


def build_result_table(result: Result) -> Table:
    """Return one row per rule, slice and language, in per cent; fits 80 columns."""
    settings = result.settings
    adapter = "" if settings.adapter is None else f" with adapter {settings.adapter}"
    table = Table(
        title=f"{settings.task} {settings.subset}, {settings.model}{adapter}",
        caption=_describe_run(result),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    labels = _find_labels(result.scores)
    for name in labels:
        table.add_column(name, no_wrap=True)
    interval = f"{result.bootstrap.level:.0%} CI"
    for name in ("score", interval, "macro %", "rows", "clusters", "DEFF"):
        table.add_column(name, justify="right", no_wrap=True)
    for score in result.scores:
        estimate = score.estimate
        table.add_row(
            *(getattr(score, name) for name in labels),
            f"{100 * estimate.value:.2f}",
            _describe_interval(estimate),
            f"{100 * estimate.macro:.2f}",
            str(estimate.num_rows),
            str(estimate.num_clusters),
            "-" if estimate.deff is None else f"{estimate.deff:.2f}",
        )
    return table


def build_check_table(task: Task, checks: Sequence[ReferenceCheck]) -> Table:
    """Return one row per rule and slice: score of the references and of the empty string."""
    table = Table(
        title=f"{task.name} {task.subset}: the scorer's own test", box=box.SIMPLE_HEAD, padding=0
    )
    for name in ("rule", "slice"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "cut by rule", "references %", "empty string %", "verdict"):
        table.add_column(name, justify="right", min_width=6)
    for check in checks:
        table.add_row(
            check.rule,
            check.slice,
            str(check.num_rows),
            str(check.num_cut),
            f"{100 * check.gold:.2f}",
            f"{100 * check.empty:.2f}",
            "right" if check.is_right else "WRONG",
        )
    return table


def _find_labels(scores: Sequence[Score]) -> list[str]:
    """Return which of rule, slice and language tell the scores apart."""
    names = ("slice", "language")
    return ["rule", *(name for name in names if len({getattr(s, name) for s in scores}) > 1)]


def _describe_interval(estimate: ClusterEstimate) -> str:
    if estimate.ci_low is None or estimate.ci_high is None:
        return "-"
    return f"{100 * estimate.ci_low:.1f}-{100 * estimate.ci_high:.1f}"


def _describe_switches(settings: RunSettings) -> str:
    switches = {"healed": settings.heal, "trimmed": settings.trim}
    told = [
        name if is_on else f"not {name}" for name, is_on in switches.items() if is_on is not None
    ]
    return "".join(f", {text}" for text in told)


def _describe_run(result: Result) -> str:
    settings = result.settings
    reasons = ", ".join(f"{count} {reason}" for reason, count in result.finish_reasons.items())
    lines = [
        "scores in per cent",
        *(f"{name}: {meaning}" for name, meaning in result.rules.items()),
        f"greedy, at most {settings.max_tokens} new tokens (ended by: {reasons}), "
        f"prompt order {settings.order or 'of the server'}, stopping {settings.stopping}"
        f"{_describe_switches(settings)}",
        f"latency p50 {result.latency.p50_ms:.0f} ms, p95 {result.latency.p95_ms:.0f} ms",
    ]
    if not result.is_whole_benchmark:
        lines.append(
            f"a part of the benchmark: {result.num_rows} of {result.num_published_rows} rows"
        )
    return "\n".join(lines)
