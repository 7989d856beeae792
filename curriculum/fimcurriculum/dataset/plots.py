"""Pictures for the card and the documents. matplotlib, without a display."""

from collections import Counter
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fimcurriculum.hardness.paper import HARD_KINDS

__all__ = ["plot_counts", "plot_hardness", "plot_ranking"]


def plot_counts(counts: Counter[tuple[str, str]], path: Path) -> None:
    """Draw examples per kind, stacked by language.

    Args:
        counts: (kind, language) -> examples.
        path: File to write.
    """
    languages = sorted({language for _, language in counts})
    kinds = sorted(
        {kind for kind, _ in counts}, key=lambda k: sum(counts[k, name] for name in languages)
    )
    figure, axes = _make_axes(7, 0.3 * len(kinds) + 1.2)
    left = [0] * len(kinds)
    for language in languages:
        widths = [counts[kind, language] for kind in kinds]
        axes.barh(kinds, widths, left=left, label=language)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_xlabel("examples")
    axes.legend(fontsize="small")
    _save(figure, path)


def plot_hardness(values: dict[str, list[float]], path: Path) -> None:
    """Draw the spread of hardness per kind.

    Args:
        values: Kind -> hardness of its examples.
        path: File to write.
    """
    kinds = sorted(values, key=lambda kind: sum(values[kind]) / len(values[kind]))
    figure, axes = _make_axes(7, 0.3 * len(kinds) + 1.2)
    axes.boxplot(
        [values[kind] for kind in kinds],
        orientation="horizontal",
        tick_labels=kinds,
        showfliers=False,
    )
    axes.set_xlim(0, 1)
    axes.set_xlabel("hardness")
    _save(figure, path)


def plot_ranking(ranking: dict[str, Any], path: Path) -> None:
    """Draw failure per kind with intervals, and beside it how unlikely the true middles are.

    Args:
        ranking: From `describe_ranking`.
        path: File to write.
    """
    ranks = list(reversed(ranking["kinds"]))
    figure = Figure(figsize=(10, 0.32 * len(ranks) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    for row, rank in enumerate(ranks):
        colour = "C3" if rank["kind"] in HARD_KINDS else "C0"
        failure = [100 * rank[name] for name in ("failure_low", "failure", "failure_high")]
        _draw_interval(left, row, failure, colour)
        if rank["mean_nll"] is not None:
            nll = [rank[name] for name in ("nll_low", "mean_nll", "nll_high")]
            _draw_interval(right, row, nll, colour)
    left.set_yticks(range(len(ranks)), [rank["kind"] for rank in ranks])
    left.set_xlabel("failure (1 - exact match), %")
    right.set_xlabel("nats per token of the true middle")
    _save(figure, path)


def _draw_interval(axes: Any, row: int, values: list[float], colour: str) -> None:
    low, middle, high = values
    axes.plot([low, high], [row, row], color=colour, linewidth=2)
    axes.plot([middle], [row], "o", color=colour)


def _make_axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without date and with fixed ids the same data gives the same file.
    with rc_context({"svg.hashsalt": "fimcurriculum"}):
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
