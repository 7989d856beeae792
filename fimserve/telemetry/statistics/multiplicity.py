"""p-values of several questions that were asked at once.

Holm for claims: the probability of a single false one stays at alpha. Benjamini-Hochberg for
dashboards: of what is marked, a share of alpha is false on average.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control

__all__ = ["adjust_bh", "adjust_holm"]


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values in the order of the given ones.

    Args:
        p_values: One of each question.

    Returns:
        Values to compare with alpha.

    Source:
        Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)
    weights = len(values) - np.arange(len(values))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(weights * values[order]))
    return [float(value) for value in adjusted]


def adjust_bh(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values in the order of the given ones.

    Args:
        p_values: One of each question.

    Returns:
        Values to compare with the share of false ones that is tolerated.

    Source:
        Benjamini, Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    if not p_values:
        return []
    return [float(value) for value in false_discovery_control(p_values)]
