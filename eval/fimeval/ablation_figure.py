"""The ablation as a picture: what each regime gains over `random`, against the size of the base."""

from pathlib import Path

from fimeval.ablation_analysis import CONTROL, AblationAnalysis, Gain
from fimeval.ablation_results import RULES

LABELS = {"stripped": "exact match", "es": "edit similarity"}


def draw_gains(analysis: AblationAnalysis, context: str, out: Path) -> None:
    """Draw gains with 95 % intervals, one panel per measure.

    Args:
        analysis: What was found.
        context: Which of the contexts to draw.
        out: SVG or PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(RULES), figsize=(10, 4.2))
    for axis, rule in zip(axes, RULES, strict=True):
        found = [
            gain
            for gain in analysis.gains
            if (gain.rule, gain.context, gain.against) == (rule, context, CONTROL)
        ]
        names = list(dict.fromkeys(gain.regime for gain in found))
        for number, name in enumerate(names):
            points = [gain for gain in found if gain.regime == name]
            # Side by side, so that intervals of one size do not cover each other.
            shift = 1 + 0.03 * (number - (len(names) - 1) / 2)
            axis.errorbar(
                [gain.num_parameters / 1e6 * shift for gain in points],
                [100 * gain.gain for gain in points],
                yerr=[list(ends) for ends in zip(*map(_spread, points), strict=True)],
                marker="o",
                markersize=4,
                linewidth=1,
                capsize=2,
                label=name,
            )
        axis.axhline(0, color="0.6", linewidth=0.8)
        axis.set(xscale="log", xlabel="parameters of the base, millions")
        axis.set(ylabel=f"{LABELS[rule]}, points over {CONTROL}")
        sizes = sorted({gain.num_parameters / 1e6 for gain in found})
        axis.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
        axis.minorticks_off()
    axes[0].legend()
    figure.suptitle(
        f"{analysis.num_rows} held-out holes, {analysis.num_clusters} clusters, context: {context}",
        fontsize=10,
    )
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110, metadata={"Date": None} if out.suffix == ".svg" else None)
    pyplot.close(figure)


def _spread(gain: Gain) -> tuple[float, float]:
    low = gain.gain if gain.ci_low is None else gain.ci_low
    high = gain.gain if gain.ci_high is None else gain.ci_high
    return max(0.0, 100 * (gain.gain - low)), max(0.0, 100 * (high - gain.gain))
