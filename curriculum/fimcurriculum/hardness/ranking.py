"""Which kinds fail most: shares with intervals that mind that spans of one repository are alike.

The interval is a percentile bootstrap over repositories (`resampled.py`). `contrast_kinds` holds
some kinds against all others by the same resamples: whether a statement such as "calls are hardest"
holds.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fimcurriculum.hardness.resampled import (
    Numbers,
    ResampledKind,
    ScoredSpan,
    percentile,
    resample_kinds,
)
from fimcurriculum.schema import Kind

__all__ = ["KindContrast", "KindRank", "contrast_kinds", "rank_kinds"]


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


@dataclass(frozen=True, slots=True)
class KindContrast:
    """One kind less the mean of the kinds it is held against, by one measure."""

    kind: str
    measure: str
    """`failure`, `excess` or `nll`, as in `ResampledKind`."""
    difference: float
    low: float
    high: float
    """Borders of 95 %."""

    @property
    def verdict(self) -> str:
        """Whether the kind is harder: `yes` or `no` where the interval leaves 0 out."""
        if self.low > 0:
            return "yes"
        return "no" if self.high < 0 else "undecided"


def rank_kinds(spans: Sequence[ScoredSpan], seed: int = 0) -> list[KindRank]:
    """Return the kinds, the one that fails most first; of equal ones the less likely first.

    Args:
        spans: Scored spans.
        seed: Seed of the resamples.

    Returns:
        One entry per kind that has spans.
    """
    ranks = [
        _rank(kind, [span for span in spans if span.kind == kind], resampled)
        for kind, resampled in resample_kinds(spans, seed).items()
    ]
    return sorted(ranks, key=lambda rank: (-rank.failure, -(rank.mean_nll or 0.0)))


def contrast_kinds(
    spans: Sequence[ScoredSpan], named: Collection[str], seed: int = 0
) -> list[KindContrast]:
    """Hold each of some kinds against the mean of all others but random.

    Args:
        spans: Scored spans.
        named: The kinds that are said to be hardest.
        seed: Seed of the resamples.

    Returns:
        An entry for each named kind and measure that is known for it and for another kind.
    """
    resampled = resample_kinds(spans, seed)
    others = [r for kind, r in resampled.items() if kind not in named and kind != Kind.RANDOM]
    return [
        KindContrast(
            kind, measure, float(above[0]), percentile(above, 2.5), percentile(above, 97.5)
        )
        for kind in resampled
        if kind in named
        for measure, above in _differences(resampled[kind], others)
    ]


def _differences(
    own: ResampledKind, others: Sequence[ResampledKind]
) -> Iterator[tuple[str, Numbers]]:
    for measure in ResampledKind.__slots__:
        value = getattr(own, measure)
        known = [v for other in others if (v := getattr(other, measure)) is not None]
        if value is not None and known:
            yield measure, value - np.nanmean(known, axis=0)


def _rank(kind: str, spans: Sequence[ScoredSpan], resampled: ResampledKind) -> KindRank:
    num_repositories = len({span.repository for span in spans})
    low, high = _interval(resampled.failure, num_repositories)
    nll, excess = resampled.nll, resampled.excess
    return KindRank(
        kind=kind,
        num_spans=len(spans),
        num_repositories=num_repositories,
        failure=float(resampled.failure[0]),
        failure_low=low,
        failure_high=high,
        edit_similarity=_mean(span.edit_similarity for span in spans),
        mean_nll=_mean(span.mean_nll for span in spans),
        nll_low=None if nll is None else percentile(nll, 2.5),
        nll_high=None if nll is None else percentile(nll, 97.5),
        mean_chars=float(np.mean([span.num_chars for span in spans])),
        excess=None if excess is None else float(excess[0]),
        excess_low=None if excess is None else percentile(excess, 2.5),
        excess_high=None if excess is None else percentile(excess, 97.5),
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
    return percentile(failure, 2.5), percentile(failure, 97.5)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
