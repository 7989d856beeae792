"""Draw the curves of a pretraining run from its metrics.jsonl.

Loss, validation loss per language and learning rate over the tokens seen:

    python -m fimtraining.curves METRICS.jsonl OUT.png
"""

import json
from pathlib import Path

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


if __name__ == "__main__":
    typer.run(draw_curves)
