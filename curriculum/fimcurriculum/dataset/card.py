"""The data card: README.md as the Hugging Face hub shows it, written from counts alone."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fimcurriculum.dataset.look import by_reason
from fimcurriculum.dataset.plots import plot_counts, plot_hardness
from fimcurriculum.dataset.read import read_rows
from fimcurriculum.dataset.report import read_report
from fimcurriculum.hardness.combine import WEIGHTS
from fimcurriculum.schema import SPLITS

__all__ = ["write_card"]

COLUMNS = ("kind", "language", "licence", "split", "repository", "hardness", "exact_match")
MAX_PER_KIND_PLOTTED = 5_000


def write_card(out: Path) -> None:
    """Write README.md and plots/ of a data set.

    Args:
        out: Its directory.
    """
    report = read_report(out)
    counts: dict[str, Counter[Any]] = defaultdict(Counter)
    hardness: dict[str, list[float]] = defaultdict(list)
    num_scored = 0
    for row in read_rows(out, COLUMNS):
        counts["kind and language"][row["kind"], row["language"]] += 1
        for name in ("kind", "language", "licence", "split"):
            counts[name][row[name]] += 1
        counts["repository"][row["repository"], row["split"]] += 1
        num_scored += row["exact_match"] is not None
        if len(hardness[row["kind"]]) < MAX_PER_KIND_PLOTTED:
            hardness[row["kind"]].append(row["hardness"])
    if counts["kind"]:
        plot_counts(counts["kind and language"], out / "plots" / "kinds.svg")
        plot_hardness(hardness, out / "plots" / "hardness.svg")
    text = "\n".join(_make_lines(report, counts, num_scored))
    partial = out / "README.md.partial"
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, out / "README.md")


def _make_lines(
    report: dict[str, Any], counts: Mapping[str, Counter[Any]], num_scored: int
) -> Iterator[str]:
    yield from _front_matter(counts)
    yield "# Spans that are hard to complete\n"
    yield (
        f"{counts['split'].total()} spans of {len(counts['repository'])} repositories, mined by "
        "`fimserve mine`: prefix, middle and suffix, pieces of other files that explain the middle,"
        " and how hard it is.\n"
    )
    yield "![Examples by kind](plots/kinds.svg)\n"
    yield "![Hardness by kind](plots/hardness.svg)\n"
    for name in ("split", "kind", "language", "licence"):
        yield from _table(f"By {name}", name, "examples", counts[name].most_common())
    yield "## Hardness\n"
    weights = ", ".join(f"{name} {weight}" for name, weight in WEIGHTS.items())
    yield (
        f"A weighted mean of the parts that are there ({weights}). {num_scored} examples were put "
        "to a model.\n"
    )
    yield "## What was left out\n"
    evaluation = (
        "was kept out" if report["is_decontaminated"] else "was NOT kept out: no list given"
    )
    yield (
        f"Evaluation data {evaluation}. {report['secrets_replaced']} secrets and addresses were "
        f"replaced. {report['files_with_parse_errors']} files have syntax errors; spans that touch "
        "one were refused.\n"
    )
    for title, unit, key in (
        ("Entries that are no files", "entries", "entries_left_out"),
        ("Files", "files", "files_dropped"),
        ("Places in files", "places", "places_refused"),
        ("Spans", "spans", "spans_dropped"),
    ):
        reasons = report[key] if key == "entries_left_out" else by_reason(report[key])
        yield from _table(title, "reason", unit, sorted(reasons.items(), key=lambda e: -e[1]))
    yield from _repositories(report, counts["repository"])


def _front_matter(counts: Mapping[str, Counter[Any]]) -> Iterator[str]:
    yield "---"
    yield "task_categories: [text-generation]"
    yield f"tags: [code, fill-in-the-middle, {', '.join(sorted(counts['language']))}]"
    yield "configs:"
    yield "- config_name: default"
    yield "  data_files:"
    for split in SPLITS:
        if counts["split"][split]:
            yield f"  - split: {split}"
            yield f"    path: data/{split}/*.parquet"
    yield "---\n"


def _table(title: str, left: str, right: str, rows: list[tuple[str, int]]) -> Iterator[str]:
    if rows:
        yield f"### {title}\n\n| {left} | {right} |\n| --- | ---: |"
        yield "\n".join(f"| {name} | {number} |" for name, number in rows) + "\n"


def _repositories(report: dict[str, Any], counts: Counter[Any]) -> Iterator[str]:
    yield "## Repositories\n\n| repository | commit | licence | split | examples |"
    yield "| --- | --- | --- | --- | ---: |"
    by_name = {name: (split, number) for (name, split), number in counts.items()}
    for entry in report["repositories"]:
        split, number = by_name.get(entry["name"], ("", 0))
        where = f"left out: {entry['refused']}" if entry["refused"] else split
        cells = (entry["name"], entry["commit"][:12], entry["licence"], where, str(number))
        yield f"| {' | '.join(cells)} |"
    yield ""
