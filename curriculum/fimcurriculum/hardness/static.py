"""Hardness by syntax alone: how much there is to write, and how much of it the file does not tell.

Each measure x becomes 1 - exp(-x / scale), which is 0 where there is nothing and nears 1 slowly;
their mean is the hardness. Scales are fixed, not fitted to the data, so that a span's number does
not change with the spans beside it.
"""

import math
from dataclasses import dataclass

__all__ = ["StaticMeasures", "static_hardness"]

SCALES = {
    "tree_size": 40.0,
    "tree_depth": 10.0,
    "num_new_identifiers": 2.0,
    "num_foreign_symbols": 1.0,
    "num_branches": 2.0,
}


@dataclass(frozen=True, slots=True)
class StaticMeasures:
    """What is counted of a span; meanings in `fimcurriculum.schema.Example`."""

    tree_size: int
    tree_depth: int
    num_new_identifiers: int
    num_foreign_symbols: int
    cyclomatic: int


def static_hardness(measures: StaticMeasures) -> float:
    """Return the hardness of a span, 0 to 1."""
    counts = (
        measures.tree_size,
        measures.tree_depth,
        measures.num_new_identifiers,
        measures.num_foreign_symbols,
        measures.cyclomatic - 1,
    )
    parts = [1 - math.exp(-n / scale) for n, scale in zip(counts, SCALES.values(), strict=True)]
    return sum(parts) / len(parts)
