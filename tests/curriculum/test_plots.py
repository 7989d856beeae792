"""Pictures: the same counts give the same file, so that a committed one changes with its data."""

from collections import Counter
from pathlib import Path

from fimcurriculum.dataset.plots import plot_counts


def test_the_same_counts_give_the_same_picture(tmp_path: Path) -> None:
    counts = Counter({("call", "go"): 3, ("loop", "go"): 1, ("call", "python"): 2})
    first, second, other = (tmp_path / f"{name}.svg" for name in "abc")
    plot_counts(counts, first)
    plot_counts(counts, second)
    plot_counts(counts + Counter({("loop", "go"): 1}), other)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
