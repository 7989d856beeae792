"""What is measured: an experiment or all traffic, and the stretch of time."""

from dataclasses import dataclass

from fimserve.telemetry.errors import TelemetryError

__all__ = ["ALL", "DAY_MS", "JOINT", "MeasureError", "Window"]

DAY_MS = 86_400_000
ALL = "all"
"""Arm of everybody where no experiment is asked about."""
JOINT = "+"
"""What stands between the names where a user is in several experiments at once."""


class MeasureError(TelemetryError, ValueError):
    """There is nothing to measure as it was asked for."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which suggestions count: those whose first event lies in the stretch."""

    since_ms: int
    """Beginning, in Unix milliseconds."""
    until_ms: int
    """End, not included."""
    as_of_ms: int
    """The time of asking: what could not have been observed by then is not missing."""
    experiment: str | None = None
    """Name of an experiment; None takes everybody's suggestions, as one arm."""
    past_days: int = 14
    """Days before the beginning from which users' past is taken, for CUPED; 0 takes none."""

    def __post_init__(self) -> None:
        if self.since_ms >= self.until_ms:
            raise MeasureError("the end is not after the beginning")
        if self.past_days < 0:
            raise MeasureError(f"past_days is {self.past_days}; use 0 or more")

    @property
    def past(self) -> "Window":
        """The stretch of users' past, in or out of experiments."""
        return Window(
            self.since_ms - self.past_days * DAY_MS, self.since_ms, self.as_of_ms, None, 0
        )

    def takes_label(self, label: str) -> bool:
        """Return whether events with these experiments are meant.

        Args:
            label: What events say under `experiment`: one name, or several joined.

        Returns:
            Whether the experiment is among them.
        """
        return self.experiment in label.split(JOINT)

    def find_arm(self, label: str | None, assigned: str | None) -> str:
        """Return the arm of this experiment that events name.

        Args:
            label: What they say under `experiment`.
            assigned: What they say under `assigned_arm`, as many names in the same order.

        Returns:
            The arm; empty where they name none.
        """
        if self.experiment is None:
            return ALL
        names = (label or "").split(JOINT)
        arms = (assigned or "").split(JOINT)
        return dict(zip(names, arms, strict=False)).get(self.experiment, "")
