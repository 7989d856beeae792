"""Kinds of syntax at which suggestions are refused most: what is worth more training."""

from collections.abc import Iterable
from typing import NamedTuple

from fimserve.telemetry.metrics.breakdown import Cell
from fimserve.telemetry.report.model import Interval
from fimserve.telemetry.statistics.cuped import pool
from fimserve.telemetry.statistics.moments import Moments
from fimserve.telemetry.statistics.ratio import estimate_ratio

__all__ = ["KindRank", "rank_kinds"]

MIN_COUNTED = 100
"""Suggestions below which a kind is too rare to be told from chance."""


class KindRank(NamedTuple):
    """A kind and how its suggestions fare, over all arms."""

    kind: str
    car: float
    interval: Interval
    counted: int
    refused: int
    """Suggestions that were seen and not accepted."""


def rank_kinds(cells: Iterable[Cell], min_counted: int = MIN_COUNTED) -> list[KindRank]:
    """Return kinds, that with the lowest acceptance first.

    Ordered by the upper bound of the interval: a kind comes early only where its acceptance is low
    beyond doubt.

    Args:
        cells: Cells of a measurement.
        min_counted: Suggestions that a kind needs.

    Returns:
        The kinds.
    """
    pooled: dict[str, tuple[Moments, float, float]] = {}
    for cell in cells:
        if (cell.dimension, cell.metric) != ("kind", "car") or cell.moments is None:
            continue
        found = pooled.get(cell.key)
        if found is None:
            pooled[cell.key] = (cell.moments, cell.numerator, cell.denominator)
        else:
            moments, accepted, counted = found
            pooled[cell.key] = (
                pool(moments, cell.moments),
                accepted + cell.numerator,
                counted + cell.denominator,
            )
    ranks = [
        KindRank(
            kind=kind,
            car=accepted / counted,
            interval=Interval(*estimate_ratio(moments).share_interval()),
            counted=int(counted),
            refused=int(counted - accepted),
        )
        for kind, (moments, accepted, counted) in pooled.items()
        if counted >= min_counted
    ]
    return sorted(ranks, key=lambda rank: (rank.interval.upper, rank.kind))
