"""Settings of experiments: which, for whom none, and how often the state is looked at.

Plain values only, so that the command line can compose them without a database library.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fimserve.telemetry.errors import StoreSettingsError

__all__ = ["ExperimentSettings"]

MAX_HOLDOUT = 0.5


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """Experiments that the settings file describes, and how all of them are looked after."""

    holdout: float = 0.0
    """Part of the users that no experiment ever gets, 0 to 0.5: what they do shows what all
    experiments together have brought."""
    refresh_s: float = 1.0
    """Seconds between looks for what `fimserve ab` has changed."""
    guard_s: float = 60.0
    """Seconds between looks at the guardrails; 0 never looks."""
    start: tuple[Mapping[str, object], ...] = ()
    """Experiments that a service starts where they are not known yet, each a table
    `[[experiments.start]]`: docs/experiments.md."""

    def __post_init__(self) -> None:
        if not 0 <= self.holdout <= MAX_HOLDOUT:
            raise StoreSettingsError(f"holdout is {self.holdout}; use 0 to {MAX_HOLDOUT}")
        if not self.refresh_s >= 0.1:
            raise StoreSettingsError(f"refresh_s is {self.refresh_s}; use 0.1 or more")
        if not self.guard_s >= 0:
            raise StoreSettingsError(f"guard_s is {self.guard_s}; use 0 or more")
