"""The curves of a fine-tuning run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def draw_curves(metrics: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw training loss, validation loss and learning rate over the steps.

    Args:
        metrics: Lines of metrics.jsonl.
        out: PNG or SVG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 1))
    for name, label in (("loss", "training"), ("eval_loss", "validation")):
        points = [(line["step"], line[name]) for line in metrics if name in line]
        if points:
            left.plot(*zip(*points, strict=True), label=label, marker=".")
    left.set(xlabel="step", ylabel="loss, nats per token of the middle")
    left.legend()
    rates = [(line["step"], line["learning_rate"]) for line in metrics if "learning_rate" in line]
    if rates:
        right.plot(*zip(*rates, strict=True), color="0.3")
    right.set(xlabel="step", ylabel="learning rate")
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
