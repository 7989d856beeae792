"""What is simulated: how many users for how long, how they differ, what arms do to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fimeval.simulation.effect import Effect

__all__ = ["SimulationSettings"]


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """One simulation; the same settings make the same users and the same choices.

    Where completions are asked for, their texts and latencies are the service's own, and what users
    do depends on them.
    """

    num_users: int = 400
    days: int = 14
    """Days over which the events are dated, whatever the time it takes."""
    per_day: float = 4.0
    """Suggestions that the median user is offered on a working day."""
    activity_spread: float = 0.8
    """Standard deviation of the logarithm of what users ask for: 0.8 makes a user in six ask more
    than twice the median."""
    acceptance: tuple[float, float] = (3.0, 7.0)
    """Beta distribution of the users' own acceptance: a mean of 0.3."""
    persistence: tuple[float, float] = (8.0, 2.0)
    """The same of how likely an accepted suggestion is there after 30 s: a mean of 0.8."""
    censored: float = 0.1
    """Probability that an editor is closed before the last look at a suggestion."""
    error_rate: float = 0.01
    """Requests that end without a suggestion."""
    completion_share: float = 1.0
    """Part of the suggestions that the service writes; the others are made up here. The first of
    each user is asked for in any case: the answer names his arm."""
    effects: Mapping[str, Effect] = field(default_factory=dict)
    """What an arm does to its users, by its name; nothing where it is not named."""
    end_ms: int = 0
    """End of the last day, in Unix milliseconds."""
    connections: int = 4
    """Users that are at work at the same time."""
    batch_events: int = 100
    """Events in one request."""
    seed: int = 0

    @property
    def run(self) -> str:
        """How the ids of all events begin: the same simulation again counts once."""
        return f"sim{self.seed}"
