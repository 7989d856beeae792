"""Points of a distribution."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Three points of a distribution, interpolated between neighbouring values."""

    p50: float
    p95: float
    p99: float


PERCENTILES = tuple(field.name for field in fields(Percentiles))


def find_percentiles(values: Sequence[float]) -> Percentiles:
    """Return p50, p95 and p99 of at least one value, to a thousandth."""
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).round(3).tolist()
    return Percentiles(p50, p95, p99)


def find_percentiles_of_any(values: Sequence[float]) -> Percentiles | None:
    """Return the same, or None where there is no value."""
    return find_percentiles(values) if values else None
