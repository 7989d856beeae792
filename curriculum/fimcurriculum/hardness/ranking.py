"""Which kinds fail most: shares with intervals that mind that spans of one repository are alike.

The interval is a percentile bootstrap over repositories: whole repositories are drawn with
replacement, and all spans of a repository go with it.

Long middles fail whatever their kind. So each kind is also compared with random spans of its own
length: random spans fall into bins by the logarithm of their length, and the kind's failure is
set against what random spans of the same bins fail on average.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fimcurriculum.schema import Kind

__all__ = ["KindRank", "ScoredSpan", "rank_kinds"]

NUM_RESAMPLES = 2000
LENGTH_BORDERS = (8, 16, 32, 64, 128)
"""Characters at which the bins of length begin; longer random spans are rare."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A span that a model was asked for."""

    repository: str
    kind: str
    num_chars: int
    exact_match: float
    edit_similarity: float | None
    mean_nll: float | None


@dataclass(frozen=True, slots=True)
class KindRank:
    """One kind's failure. Intervals hold 95 %."""

    kind: str
    num_spans: int
    num_repositories: int
    failure: float
    """1 - share of exact matches."""
    failure_low: float
    failure_high: float
    edit_similarity: float | None
    mean_nll: float | None
    """Nats per token: the mean over spans of each span's mean."""
    nll_low: float | None
    nll_high: float | None
    mean_chars: float
    excess: float | None
    """Failure above that of random spans of the same length; None for random itself, and where no
    random span is as long."""
    excess_low: float | None
    excess_high: float | None


def rank_kinds(spans: Sequence[ScoredSpan], seed: int = 0) -> list[KindRank]:
    """Return the kinds, the one that fails most first.

    Args:
        spans: Scored spans.
        seed: Seed of the resamples.

    Returns:
        One entry per kind that has spans.
    """
    names = sorted({span.repository for span in spans})
    weights = _resample(len(names), np.random.default_rng(seed))
    number = {name: i for i, name in enumerate(names)}
    cells = _count_cells(spans, number)
    ranks = [_rank(kind, spans, cells, number, weights) for kind in sorted({s.kind for s in spans})]
    return sorted(ranks, key=lambda rank: -rank.failure)


def _resample(num_repositories: int, rng: np.random.Generator) -> Numbers:
    """Return how often each repository is in each resample, [1 + R, N]; the first is the data."""
    drawn = rng.multinomial(
        num_repositories, np.full(num_repositories, 1 / num_repositories), NUM_RESAMPLES
    )
    return np.vstack([np.ones(num_repositories), drawn])


def _bin_of(num_chars: int) -> int:
    return int(np.searchsorted(LENGTH_BORDERS, num_chars, side="right"))


def _count_cells(
    spans: Sequence[ScoredSpan], number: dict[str, int]
) -> dict[str, tuple[Numbers, Numbers]]:
    """Return per kind the spans and the failures of each bin and repository, [B, N] each."""
    shape = (len(LENGTH_BORDERS) + 1, len(number))
    cells: dict[str, tuple[Numbers, Numbers]] = defaultdict(
        lambda: (np.zeros(shape), np.zeros(shape))
    )
    for span in spans:
        totals, failures = cells[span.kind]
        place = _bin_of(span.num_chars), number[span.repository]
        totals[place] += 1
        failures[place] += 1 - span.exact_match
    return dict(cells)


def _rank(
    kind: str,
    spans: Sequence[ScoredSpan],
    cells: dict[str, tuple[Numbers, Numbers]],
    number: dict[str, int],
    weights: Numbers,
) -> KindRank:
    own = [span for span in spans if span.kind == kind]
    totals, failures = cells[kind]
    failure = _share((failures.sum(0) @ weights.T), (totals.sum(0) @ weights.T))
    excess = None
    if kind != Kind.RANDOM and Kind.RANDOM in cells:
        above = failure - _expected(cells[Kind.RANDOM], totals, weights)
        excess = None if np.isnan(above[0]) else above
    num_repositories = len({span.repository for span in own})
    low, high = _interval(failure, num_repositories)
    nll = _resampled_nll(own, number, weights)
    return KindRank(
        kind=kind,
        num_spans=len(own),
        num_repositories=num_repositories,
        failure=float(failure[0]),
        failure_low=low,
        failure_high=high,
        edit_similarity=_mean(span.edit_similarity for span in own),
        mean_nll=_mean(span.mean_nll for span in own),
        nll_low=None if nll is None else _percentile(nll, 2.5),
        nll_high=None if nll is None else _percentile(nll, 97.5),
        mean_chars=float(np.mean([span.num_chars for span in own])),
        excess=None if excess is None else float(excess[0]),
        excess_low=None if excess is None else _percentile(excess, 2.5),
        excess_high=None if excess is None else _percentile(excess, 97.5),
    )


def _interval(failure: Numbers, num_repositories: int) -> tuple[float, float]:
    """Return the borders of 95 %.

    Where all spans or none failed every resample says the same, which is no certainty: then the
    exact binomial border, counting each repository once.
    """
    border = 0.025 ** (1 / num_repositories)
    if failure[0] == 1.0:
        return border, 1.0
    if failure[0] == 0.0:
        return 0.0, 1 - border
    return _percentile(failure, 2.5), _percentile(failure, 97.5)


def _expected(random: tuple[Numbers, Numbers], totals: Numbers, weights: Numbers) -> Numbers:
    """Return what random spans of a kind's lengths fail, per resample."""
    control = _share(random[1] @ weights.T, random[0] @ weights.T)
    shares = totals @ weights.T
    # A bin that no random span of a resample is in says nothing, and is left out of both.
    known = ~np.isnan(control)
    weighted = np.where(known, shares * np.nan_to_num(control), 0.0).sum(0)
    return _share(weighted, np.where(known, shares, 0.0).sum(0))


def _resampled_nll(
    spans: Sequence[ScoredSpan], number: dict[str, int], weights: Numbers
) -> Numbers | None:
    """Return the mean likelihood of a kind's middles, per resample; None where none is known."""
    totals, sums = np.zeros(len(number)), np.zeros(len(number))
    for span in spans:
        if span.mean_nll is not None:
            totals[number[span.repository]] += 1
            sums[number[span.repository]] += span.mean_nll
    return _share(sums @ weights.T, totals @ weights.T) if totals.any() else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _share(part: Numbers, whole: Numbers) -> Numbers:
    shares: Numbers = np.full(part.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _percentile(resamples: Numbers, percent: float) -> float:
    return float(np.nanpercentile(resamples[1:], percent))
