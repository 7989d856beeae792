"""Spans of a model, resampled by repository: what each kind fails in every one of the resamples.

Spans of one repository are alike, so whole repositories are drawn with replacement, and all spans
of a repository go with it. The first resample is the data itself.

Long middles fail whatever their kind. So each kind is also compared with random spans of its own
length: random spans fall into bins by the logarithm of their length, and the kind's failure is
set against what random spans of the same bins fail on average.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fimcurriculum.schema import Kind

__all__ = [
    "NUM_RESAMPLES",
    "Numbers",
    "ResampledKind",
    "ScoredSpan",
    "percentile",
    "resample_kinds",
]

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
class ResampledKind:
    """One kind in all resamples, [1 + R] each; a resample without spans of it has NaN."""

    failure: Numbers
    """1 - share of exact matches."""
    excess: Numbers | None
    """Failure above that of random spans of the same length; None for random itself, and where no
    random span is as long."""
    nll: Numbers | None
    """Mean over spans of each span's nats per token; None where none is known."""


def resample_kinds(spans: Sequence[ScoredSpan], seed: int) -> dict[str, ResampledKind]:
    """Return what each kind fails in every resample.

    Args:
        spans: Scored spans.
        seed: Seed of the resamples.

    Returns:
        Kind -> its numbers, for kinds that have spans, by name.
    """
    names = sorted({span.repository for span in spans})
    number = {name: i for i, name in enumerate(names)}
    weights = _resample(len(names), np.random.default_rng(seed))
    cells = _count_cells(spans, number)
    return {kind: _resample_kind(kind, spans, cells, number, weights) for kind in sorted(cells)}


def percentile(resamples: Numbers, percent: float) -> float:
    """Return a percentile over the resamples, the data itself left out."""
    return float(np.nanpercentile(resamples[1:], percent))


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


def _resample_kind(
    kind: str,
    spans: Sequence[ScoredSpan],
    cells: dict[str, tuple[Numbers, Numbers]],
    number: dict[str, int],
    weights: Numbers,
) -> ResampledKind:
    totals, failures = cells[kind]
    failure = _share((failures.sum(0) @ weights.T), (totals.sum(0) @ weights.T))
    excess = None
    if kind != Kind.RANDOM and Kind.RANDOM in cells:
        above = failure - _expected(cells[Kind.RANDOM], totals, weights)
        excess = None if np.isnan(above[0]) else above
    own = [span for span in spans if span.kind == kind]
    return ResampledKind(failure, excess, _resample_nll(own, number, weights))


def _expected(random: tuple[Numbers, Numbers], totals: Numbers, weights: Numbers) -> Numbers:
    """Return what random spans of a kind's lengths fail, per resample."""
    control = _share(random[1] @ weights.T, random[0] @ weights.T)
    shares = totals @ weights.T
    # A bin that no random span of a resample is in says nothing, and is left out of both.
    known = ~np.isnan(control)
    weighted = np.where(known, shares * np.nan_to_num(control), 0.0).sum(0)
    return _share(weighted, np.where(known, shares, 0.0).sum(0))


def _resample_nll(
    spans: Sequence[ScoredSpan], number: dict[str, int], weights: Numbers
) -> Numbers | None:
    """Return the mean likelihood of a kind's middles, per resample; None where none is known."""
    totals, sums = np.zeros(len(number)), np.zeros(len(number))
    for span in spans:
        if span.mean_nll is not None:
            totals[number[span.repository]] += 1
            sums[number[span.repository]] += span.mean_nll
    return _share(sums @ weights.T, totals @ weights.T) if totals.any() else None


def _share(part: Numbers, whole: Numbers) -> Numbers:
    shares: Numbers = np.full(part.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
