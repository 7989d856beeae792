"""The same questions put to two servers: how much longer the second one takes, pair by pair.

The difference is taken within each pair, so that prompts of unequal cost cancel out; what the
machine did meanwhile does not, for the servers are asked one scenario after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table

from fimeval.bench.answer import Answer

NUM_RESAMPLES = 10_000
SEED = 0


@dataclass(frozen=True, slots=True)
class Change:
    """The second server minus the first, over the pairs of one scenario."""

    median_ms: float
    """Median of the differences."""
    low_ms: float
    """Ends of the 95 % interval of the median, by bootstrap over pairs."""
    high_ms: float
    share: float
    """The median by the first server's median time."""


@dataclass(frozen=True, slots=True)
class PairedScenario:
    """One scenario on two servers."""

    first: str
    second: str
    scenario: str
    tokens: int
    num_pairs: int
    ttft: Change
    e2e: Change


def pair(
    first: str,
    second: str,
    scenario: str,
    tokens: int,
    ours: Sequence[Answer],
    theirs: Sequence[Answer],
) -> PairedScenario:
    """Return what the second server adds to the first one's times.

    Args:
        first: Name of the server that is compared with.
        second: Name of the other one.
        scenario: Name of the scenario.
        tokens: Wanted length of its prompts.
        ours: Answers of the first server, in the order of questions, at least one.
        theirs: Answers of the other one to the same questions.

    Returns:
        The differences.
    """
    return PairedScenario(
        first,
        second,
        scenario,
        tokens,
        len(ours),
        ttft=find_change([a.first_ms for a in ours], [a.first_ms for a in theirs]),
        e2e=find_change([a.e2e_ms for a in ours], [a.e2e_ms for a in theirs]),
    )


def find_change(first: Sequence[float], second: Sequence[float]) -> Change:
    """Return the median difference of paired times with its interval.

    Args:
        first: Times of the server that is compared with.
        second: Times of the other one, pair by pair.

    Returns:
        The change.
    """
    differences = np.asarray(second) - np.asarray(first)
    low, high = _find_interval(differences)
    median = float(np.median(differences))
    return Change(
        round(median, 3), round(low, 3), round(high, 3), round(median / float(np.median(first)), 4)
    )


def build_paired_table(pairs: Sequence[PairedScenario]) -> Table:
    """Return two rows per scenario and compared server; fits 80 columns."""
    table = Table(
        title=f"what is added to the times of {pairs[0].first}, pair by pair",
        caption="medians over pairs of equal questions, 95 % intervals by bootstrap over pairs",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for name in ("scenario", "server"):
        table.add_column(name, no_wrap=True)
    for name in ("tokens", "", "added ms", "95% CI", "%"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in pairs:
        table.add_row(one.scenario, one.second, str(one.tokens), "ttft", *_show(one.ttft))
        table.add_row("", "", "", "e2e", *_show(one.e2e))
    return table


def _show(change: Change) -> tuple[str, str, str]:
    interval = f"{change.low_ms:+.1f} {change.high_ms:+.1f}"
    return f"{change.median_ms:+.1f}", interval, f"{100 * change.share:+.1f}"


def _find_interval(differences: npt.NDArray[np.float64]) -> tuple[float, float]:
    rng = np.random.default_rng(SEED)
    draws = rng.integers(len(differences), size=(NUM_RESAMPLES, len(differences)))
    low, high = np.percentile(np.median(differences[draws], axis=1), [2.5, 97.5])
    return float(low), float(high)
