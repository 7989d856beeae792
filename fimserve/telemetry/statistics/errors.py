"""What can go wrong with a statistic.

StatisticsError      a number that no statistic can be made of
└── TooFewUsers      not yet: more users, or users who did anything, are needed
"""

from fimserve.telemetry.errors import TelemetryError

__all__ = ["StatisticsError", "TooFewUsers"]


class StatisticsError(TelemetryError, ValueError):
    """An argument that no statistic can be made of."""


class TooFewUsers(StatisticsError):
    """There are not enough users, or none of them has a denominator."""
