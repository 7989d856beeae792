"""A look into a data set in the terminal: examples with the hole highlighted, tables of counts."""

import heapq
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fimcurriculum.dataset.read import read_rows
from fimcurriculum.syntax.draw import draw

__all__ = ["draw_rows", "make_example_view", "make_stats_tables"]

LINES_AROUND = 8
SNIPPET_LINES = 6


def draw_rows(
    out: Path, kind: str | None, language: str | None, limit: int, hardest: bool, seed: int
) -> list[dict[str, Any]]:
    """Return a few rows.

    Args:
        out: The data set.
        kind: Only this kind; None takes any.
        language: Only this language; None takes any.
        limit: How many.
        hardest: Whether the hardest are taken; otherwise lots decide.
        seed: Decides the lots.

    Returns:
        The rows.
    """

    def rank(row: dict[str, Any]) -> float:
        return float(row["hardness"]) if hardest else draw(seed, "show", row["id"])

    fitting = (
        row
        for row in read_rows(out)
        if kind in (None, row["kind"]) and language in (None, row["language"])
    )
    return heapq.nlargest(limit, fitting, key=rank)


def make_example_view(row: dict[str, Any]) -> Panel:
    """Return one example to print: what is around the hole, the hole, what explains it."""
    before = "\n".join(row["prefix"].split("\n")[-LINES_AROUND:])
    behind = "\n".join(row["suffix"].split("\n")[:LINES_AROUND])
    code = Text.assemble(before, (row["middle"], "bold black on yellow"), behind)
    parts: list[Text] = [code]
    for snippet in row["snippets"] or ():
        head = "\n".join(snippet["text"].split("\n")[:SNIPPET_LINES])
        parts.append(Text(f"\n{snippet['reason']}: {snippet['path']}\n", "bold cyan"))
        parts.append(Text(head, "dim"))
    scores = [f"hardness {row['hardness']:.2f}", f"static {row['hardness_static']:.2f}"]
    for name in ("hardness_model", "hardness_telemetry", "mean_nll"):
        if row[name] is not None:
            scores.append(f"{name.removeprefix('hardness_')} {row[name]:.2f}")
    return Panel(
        Group(*parts),
        title=Text(f"{row['kind']} · {row['repository']} · {row['path']}"),
        subtitle=Text(" · ".join(scores)),
        title_align="left",
        subtitle_align="left",
    )


def make_stats_tables(out: Path, report: dict[str, Any]) -> Iterator[Table]:
    """Yield tables of what a data set holds and what was left out.

    Args:
        out: The data set.
        report: From `read_report`.

    Yields:
        Table: A table to print.
    """
    rows = Counter((row["kind"], row["language"]) for row in read_rows(out, ("kind", "language")))
    languages = sorted({language for _, language in rows})
    kinds = sorted({kind for kind, _ in rows}, key=lambda k: -sum(rows[k, n] for n in languages))
    table = Table("kind", *languages, "all", title="examples")
    for kind in kinds:
        counts = [rows[kind, language] for language in languages]
        table.add_row(kind, *map(str, counts), str(sum(counts)))
    sums = [sum(rows[kind, language] for kind in kinds) for language in languages]
    table.add_row("all", *map(str, sums), str(sum(sums)), style="bold")
    yield table
    refused = {r["name"]: r["refused"] for r in report["repositories"] if r["refused"]}
    if refused:
        yield _make_table("repositories left out", "repository", "reason", refused)
    yield _make_table("files left out", "reason", "files", by_reason(report["files_dropped"]))
    places = Counter(by_reason(report["places_refused"]))
    places.update(by_reason(report["spans_dropped"]))
    yield _make_table("places not taken", "reason", "places", dict(places.most_common()))


def by_reason(counts: dict[str, int]) -> dict[str, int]:
    """Return counts by `<group>/<reason>` as counts by reason, the largest first."""
    totals: Counter[str] = Counter()
    for key, number in counts.items():
        totals[key.partition("/")[2]] += number
    return dict(totals.most_common())


def _make_table(title: str, left: str, right: str, values: dict[str, Any]) -> Table:
    table = Table(left, right, title=title)
    for name, value in values.items():
        table.add_row(Text(str(name)), str(value))
    return table
