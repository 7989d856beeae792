"""The metrics, each a ratio of two sums over users; docs/metrics.md says them in words."""

from typing import Literal, NamedTuple, TypeAlias

__all__ = ["METRICS", "WINDOWS_S", "Direction", "Metric", "Role", "find_metric"]

WINDOWS_S = (30, 120, 300, 600)
"""Seconds after acceptance at which clients look whether a suggestion is still there."""

Direction: TypeAlias = Literal["up", "down"]
Role: TypeAlias = Literal["primary", "secondary", "guardrail", "diagnostic"]


class Metric(NamedTuple):
    """One ratio."""

    name: str
    title: str
    numerator: str
    """Columns of `UserTable`."""
    denominator: str
    is_share: bool
    """Whether it lies between 0 and 1; otherwise it is an amount."""
    better: Direction
    role: Role
    """primary: what decides; secondary: corrected for being several; guardrail: must not get
    worse; diagnostic: whether the measurement itself is sound."""


METRICS = (
    Metric(
        "retained_chars", "retained characters per active day", "retained_30", "active_days",
        False, "up", "primary",
    ),
    Metric("car", "acceptance (CAR)", "accepted", "counted", True, "up", "secondary"),
    Metric(
        "wcar", "acceptance by characters (wCAR)", "taken_chars", "shown_chars",
        True, "up", "secondary",
    ),
    Metric("any_accept", "accepted at least in part", "taken", "counted", True, "up", "secondary"),
    *(
        Metric(
            f"cpr_{w}", f"persistence at {w} s (CPR)", f"persisted_{w}", f"observed_{w}",
            True, "up", "secondary",
        )
        for w in WINDOWS_S
    ),
    Metric(
        "persisted_share", "accepted and persistent at 30 s, of counted", "persisted_30",
        "counted", True, "up", "secondary",
    ),
    Metric(
        "retained_chars_300", "retained characters per active day, at 300 s", "retained_300",
        "active_days", False, "up", "secondary",
    ),
    Metric(
        "accepted_chars", "accepted characters per active day", "taken_chars", "active_days",
        False, "up", "secondary",
    ),
    Metric(
        "rocc", "ratio of completed code (RoCC)", "rocc_taken", "rocc_added",
        True, "up", "secondary",
    ),
    Metric(
        "show_rate", "counted by opportunities", "counted", "requested",
        True, "up", "guardrail",
    ),
    Metric(
        "error_rate", "errors by opportunities", "errors", "requested",
        True, "down", "guardrail",
    ),
    *(
        Metric(
            f"missing_{w}", f"not observed at {w} s", f"missing_{w}", f"due_{w}",
            True, "down", "diagnostic",
        )
        for w in WINDOWS_S
    ),
)  # fmt: skip
_BY_NAME = {metric.name: metric for metric in METRICS}


def find_metric(name: str) -> Metric:
    """Return a metric by its name; KeyError where there is none."""
    return _BY_NAME[name]
