"""Draw the curves of a pretraining run from its metrics.jsonl, or compare those of several runs.

Loss, validation loss per language and learning rate over the tokens seen; of several runs the mean
validation loss, each named by its directory:

    python -m fimtraining.curves METRICS.jsonl OUT.png
    python -m fimtraining.curves RUN-A/metrics.jsonl RUN-B/metrics.jsonl OUT.png
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import matplotlib
import typer


def draw_curves(metrics: Path, out: Path) -> None:
    """Write a picture of training loss, validation loss per language and learning rate.

    Args:
        metrics: JSON lines as `fimtraining.pretrain` writes them.
        out: PNG or SVG file.
    """
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    train = [row for row in rows if "loss" in row]
    tokens_per_step = train[-1]["tokens"] / train[-1]["step"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.5), width_ratios=(3, 1))
    billions = [row["tokens"] / 1e9 for row in train]
    left.plot(
        billions, [row["loss"] for row in train], linewidth=0.6, color="0.6", label="training"
    )
    names = sorted({key for row in rows for key in row if key.startswith("validation/")})
    for name in names:
        points = [(r["step"] * tokens_per_step / 1e9, r[name]) for r in rows if name in r]
        left.plot(*zip(*points, strict=True), label=name.removeprefix("validation/"))
    losses = [row[key] for row in rows for key in row if key == "loss" or "/" in key]
    bounds = min(losses) - 0.05, min(3.0, max(losses) + 0.05)
    left.set(xlabel="tokens seen, billions", ylabel="loss, nats per token", ylim=bounds)
    right.plot(billions, [row["lr_factor"] for row in train], color="0.3")
    right.set(xlabel="tokens seen, billions", ylabel="share of the peak learning rate")
    figure.legend(loc="lower center", ncols=5)
    figure.tight_layout(rect=(0, 0.14, 1, 1))  # room for two lines of names
    figure.savefig(out, dpi=110)


def draw_runs(metrics: Sequence[Path], out: Path) -> None:
    """Write a picture of the mean validation loss of several runs, languages and middles apart.

    Args:
        metrics: One metrics.jsonl per run, in directories named like the runs.
        out: PNG or SVG file.
    """
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.5))
    for path in metrics:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        train = [row for row in rows if "loss" in row]
        tokens_per_step = train[-1]["tokens"] / train[-1]["step"]
        for axis, is_middle in zip(axes, (False, True), strict=True):
            points = [
                (row["step"] * tokens_per_step / 1e9, sum(losses) / len(losses))
                for row in rows
                if (losses := _losses(row, is_middle=is_middle))
            ]
            if points:
                axis.plot(*zip(*points, strict=True), label=path.parent.name)
    axes[0].set(ylabel="loss of whole files, nats per token")
    axes[1].set(ylabel="loss of middles, nats per token")
    for axis in axes:
        axis.set(xlabel="tokens seen, billions")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(out, dpi=110)


def _losses(row: dict[str, float], *, is_middle: bool) -> list[float]:
    return [
        value
        for key, value in row.items()
        if key.startswith("validation/") and key.startswith("validation/middle-") == is_middle
    ]


def main(
    metrics: Annotated[list[Path], typer.Argument(exists=True, help="metrics.jsonl of each run.")],
    out: Annotated[Path, typer.Argument(help="PNG or SVG file.")],
) -> None:
    """Draw one run in full, or several beside each other."""
    if len(metrics) == 1:
        draw_curves(metrics[0], out)
    else:
        draw_runs(metrics, out)


if __name__ == "__main__":
    typer.run(main)
