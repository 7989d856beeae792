"""Pictures of what a bench found; the library that draws them is imported when one is wanted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fimeval.bench.goodput import Goodput, GoodputSettings, Trial
from fimeval.bench.soak import SoakResult
from fimeval.errors import EvalError

FORMATS = (".svg", ".png", ".pdf")


def check_can_draw(path: Path) -> None:
    """Refuse a picture that could not be drawn, before anything is measured for it.

    Args:
        path: Where it shall be written.

    Raises:
        EvalError: If the library is missing or the format unknown.
    """
    if path.suffix not in FORMATS:
        raise EvalError(f"--picture is {path.name}; its name must end in {' or '.join(FORMATS)}")
    _load_pyplot()


def draw_goodput(found: Goodput, settings: GoodputSettings, title: str, path: Path) -> None:
    """Write the curve of a goodput search: attainment and waits over the rate.

    Args:
        found: The search.
        settings: Its objective.
        title: Heading.
        path: File to write.
    """
    plt = _load_pyplot()
    trials = sorted(found.trials, key=lambda trial: trial.rate)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 6), layout="constrained")
    above.set_title(title, fontsize=10)
    rates = [trial.rate for trial in trials]
    above.plot(rates, [100 * trial.attained for trial in trials], "o-", color="tab:blue")
    above.axhline(100 * settings.attainment, color="grey", linestyle="--", linewidth=1)
    above.set(ylabel="objective met, %", ylim=(-3, 103), xscale="log")
    for name, wait, color in (
        ("first text", "ttft_ms", "tab:orange"),
        ("last byte", "e2e_ms", "tab:green"),
    ):
        for point, style in (("p50", ":"), ("p95", "-")):
            drawn = [(t.rate, getattr(getattr(t.tally, wait), point)) for t in _with_whole(trials)]
            if drawn:
                below.plot(*zip(*drawn, strict=True), style, marker=".", color=color,
                           label=f"{name} {point}")  # fmt: skip
    below.set(xlabel="requests per second", ylabel="ms", yscale="log", xscale="log")
    below.set_xticks(rates, [f"{rate:.3g}" for rate in rates], rotation=45, fontsize=8)
    below.minorticks_off()
    below.legend(fontsize=8, loc="upper left")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        if found.rate is not None:
            axes.axvline(found.rate, color="tab:red", linewidth=1)
    _save(plt, figure, path)


def draw_soak(result: SoakResult, title: str, path: Path) -> None:
    """Write the curves of a soak: latency, memory and blocks over time.

    Args:
        result: The run.
        title: Heading.
        path: File to write.
    """
    plt = _load_pyplot()
    figure, rows = plt.subplots(3, 1, sharex=True, figsize=(7, 7), layout="constrained")
    rows[0].set_title(title, fontsize=10)
    whole = [window for window in result.windows if window.tally.e2e_ms and window.tally.ttft_ms]
    times = [window.at_s / 60 for window in whole]
    for name, wait in (("first text", "ttft_ms"), ("last byte", "e2e_ms")):
        for point, style in (("p50", ":"), ("p95", "-")):
            values = [getattr(getattr(window.tally, wait), point) for window in whole]
            rows[0].plot(times, values, style, marker=".", label=f"{name} {point}")
    rows[0].set(ylabel="ms")
    _draw_samples(rows[1], result, {"rss_mib": "memory of the process"})
    rows[1].set(ylabel="MiB")
    _draw_samples(rows[2], result, {
        "num_running": "requests running",
        "num_waiting": "requests waiting",
        "num_missing_blocks": "blocks in use",
    })  # fmt: skip
    rows[2].set(xlabel="minutes", ylabel="count")
    for axes in rows:
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0, top=1.1 * axes.get_ylim()[1])
        axes.legend(fontsize=8, loc="upper right")
    _save(plt, figure, path)


def _draw_samples(axes: Any, result: SoakResult, labels: Mapping[str, str]) -> None:
    samples = [*result.samples, result.after]
    for name, label in labels.items():
        known = [(s.at_s / 60, getattr(s, name)) for s in samples if getattr(s, name) is not None]
        axes.plot(*zip(*known, strict=True) if known else ([], []), label=label)


def _with_whole(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.tally.e2e_ms is not None]


def _save(plt: Any, figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No date: the same result draws the same file.
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, dpi=120, metadata=metadata)
    plt.close(figure)


def _load_pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise EvalError(f"{error}; --picture needs it: pip install 'fimserve[bench]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
