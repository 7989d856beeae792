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
from fimcurriculum.schema import SPLITS
from fimcurriculum.syntax.draw import draw

__all__ = ["draw_rows", "make_example_view", "make_stats_tables"]

LINES_AROUND = 8
SNIPPET_LINES = 6
HOLE_BRACKETS = "⟦⟧"


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


def make_example_view(row: dict[str, Any], with_colour: bool = True) -> Panel:
    """Return one example to print: what is around the hole, the hole, what explains it.

    Args:
        row: The example.
        with_colour: Whether colour can show the hole; otherwise brackets do.

    Returns:
        The panel.
    """
    before = "\n".join(row["prefix"].split("\n")[-LINES_AROUND:])
    behind = "\n".join(row["suffix"].split("\n")[:LINES_AROUND])
    hole = row["middle"] if with_colour else f"{HOLE_BRACKETS[0]}{row['middle']}{HOLE_BRACKETS[1]}"
    code = Text.assemble(before, (hole, "bold black on yellow"), behind)
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
    columns = ("kind", "language", "licence", "split", "exact_match")
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("licence", "split")}
    rows: Counter[tuple[str, str]] = Counter()
    num_scored = 0
    for row in read_rows(out, columns):
        rows[row["kind"], row["language"]] += 1
        num_scored += row["exact_match"] is not None
        for name, count in counts.items():
            count[row[name]] += 1
    yield _make_table("all in all", "", "", _totals(report, counts["split"], num_scored))
    yield _make_kinds_table(rows)
    yield _make_table("examples by licence", "licence", "examples", counts["licence"])
    refused = {r["name"]: r["refused"] for r in report["repositories"] if r["refused"]}
    if refused:
        yield _make_table("repositories left out", "repository", "reason", refused)
    if report["entries_left_out"]:
        yield _make_table("no files", "what", "entries", report["entries_left_out"])
    yield _make_table("files left out", "reason", "files", by_reason(report["files_dropped"]))
    places = Counter(by_reason(report["places_refused"]))
    places.update(by_reason(report["spans_dropped"]))
    yield _make_table("places not taken", "reason", "places", dict(places.most_common()))


def _totals(report: dict[str, Any], splits: Counter[str], num_scored: int) -> dict[str, int]:
    """Return what came in and what is left of it, in that order."""
    taken = sum(1 for repository in report["repositories"] if not repository["refused"])
    num_files = sum(report["files"].values())
    return {
        "repositories": taken,
        "files": num_files,
        "files searched": num_files - sum(report["files_dropped"].values()),
        "files with syntax errors": report["files_with_parse_errors"],
        "places found": sum(report["places_found"].values()),
        "secrets and addresses replaced": report["secrets_replaced"],
        **{f"examples, {name}": splits[name] for name in SPLITS},
        "examples put to a model": num_scored,
    }


def _make_kinds_table(rows: Counter[tuple[str, str]]) -> Table:
    languages = sorted({language for _, language in rows})
    kinds = sorted({kind for kind, _ in rows}, key=lambda k: -sum(rows[k, n] for n in languages))
    table = Table("kind", title="examples")
    for name in (*languages, "all"):
        table.add_column(name, justify="right")
    for kind in kinds:
        counts = [rows[kind, language] for language in languages]
        table.add_row(kind, *map(str, counts), str(sum(counts)))
    sums = [sum(rows[kind, language] for kind in kinds) for language in languages]
    table.add_row("all", *map(str, sums), str(sum(sums)), style="bold")
    return table


def by_reason(counts: dict[str, int]) -> dict[str, int]:
    """Return counts by `<group>/<reason>` as counts by reason, the largest first."""
    totals: Counter[str] = Counter()
    for key, number in counts.items():
        totals[key.partition("/")[2]] += number
    return dict(totals.most_common())


def _make_table(title: str, left: str, right: str, values: dict[str, Any]) -> Table:
    table = Table(left, title=title, show_header=bool(left))
    table.add_column(right, justify="right" if all(map(_is_number, values.values())) else "left")
    for name, value in values.items():
        table.add_row(Text(str(name)), str(value))
    return table


def _is_number(value: object) -> bool:
    return isinstance(value, int)
