"""Whether arms have the numbers of users that they were planned to have (SRM).

Where they have not, users went missing in one arm and not in the other, or were assigned wrongly:
nothing else about the experiment can be believed. A chi-square test over all arms at once.
"""

from collections.abc import Mapping
from typing import NamedTuple

from scipy.stats import chisquare

from fimserve.telemetry.statistics.errors import StatisticsError

__all__ = ["MISMATCH_BELOW", "SampleRatio", "check_sample_ratio"]

MISMATCH_BELOW = 0.001
"""p-value below which a mismatch is called one; the convention of those who run many experiments:
at 0.05 one in twenty sound experiments would be thrown away."""


class SampleRatio(NamedTuple):
    """Outcome of the check."""

    p_value: float
    expected: dict[str, float]
    """Users that each arm should have."""

    @property
    def is_mismatch(self) -> bool:
        """Whether the numbers cannot be chance."""
        return self.p_value < MISMATCH_BELOW


def check_sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """Compare numbers of users with planned shares.

    Args:
        counts: Users of each arm; an arm that is missing has none.
        shares: Planned share of each arm, in any unit; only their proportion matters.

    Returns:
        The outcome; with no users at all nothing is amiss.

    Raises:
        StatisticsError: If a share is not positive, or users are in an arm without one.
    """
    if not shares or any(share <= 0 for share in shares.values()):
        raise StatisticsError("every arm needs a planned share above 0")
    if strange := sorted(set(counts) - set(shares)):
        raise StatisticsError(f"users are in an arm without a planned share: {strange[0]}")
    total = sum(counts.values())
    whole = sum(shares.values())
    expected = {arm: total * share / whole for arm, share in shares.items()}
    if total == 0 or len(shares) == 1:
        return SampleRatio(1.0, expected)
    observed = [counts.get(arm, 0) for arm in shares]
    return SampleRatio(float(chisquare(observed, list(expected.values())).pvalue), expected)
