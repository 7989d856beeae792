"""How much worse than the first arm another one may be before it is stopped.

Limits only; who compares the arms, and when, is in `guard.py`.
"""

import math
from dataclasses import dataclass, fields

from fimserve.telemetry.errors import ExperimentError

__all__ = ["Guardrails"]

LEAST_USERS = 100
"""Below, no normal approximation is to be trusted."""


@dataclass(frozen=True, slots=True)
class Guardrails:
    """Limits of one experiment; None switches one off."""

    latency_ms: float | None = None
    """Milliseconds by which the p95 of the time until a suggestion is there may be longer."""
    errors: float | None = None
    """Share of requests by which more may fail: 0.01 is one in a hundred."""
    car_drop: float | None = None
    """Amount by which the share of accepted suggestions may be lower: 0.02 is two points."""
    min_users: int = LEAST_USERS
    """Users that each arm needs before anything is concluded, 100 at least."""
    tightest_at: int = 2_000
    """Users of both arms at which the bounds are tightest: about how many are expected."""
    alpha: float = 0.01
    """Probability of stopping an arm that keeps within a limit, over all looks together."""

    def __post_init__(self) -> None:
        for name in ("latency_ms", "errors", "car_drop"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value >= 0):
                raise ExperimentError(f"guardrail {name} is {value!r}; use a number of 0 or more")
        for name in ("min_users", "tightest_at"):
            value = getattr(self, name)
            if type(value) is not int or value < LEAST_USERS:
                raise ExperimentError(
                    f"guardrail {name} is {value!r}; use a whole number of {LEAST_USERS} or more"
                )
        if not (_is_number(self.alpha) and 0 < self.alpha < 0.5):
            raise ExperimentError(f"guardrail alpha is {self.alpha!r}; use more than 0, below 0.5")

    @property
    def is_any(self) -> bool:
        """Whether there is a limit at all."""
        return any(limit is not None for limit in (self.latency_ms, self.errors, self.car_drop))

    def to_json(self) -> dict[str, object]:
        """Return the fields that are there."""
        return {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) is not None
        }


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
