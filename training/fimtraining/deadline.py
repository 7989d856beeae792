"""When a run ends that has minutes instead of steps, so that its decay fits into what is left.

The schedule stays one of steps; only the step at which it ends is planned anew from the pace so
far. Knows nothing of models or clocks: plain numbers.
"""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Deadline:
    """The steps that fit into a run's time."""

    budget_s: float
    """Seconds of training over all stretches of the run; infinity: as many steps as the recipe."""
    max_steps: int
    """Steps of the recipe: the run never takes more."""
    spent_s: float = 0.0
    """Seconds of training so far, starts and compilation aside."""
    end: int = 0
    """Step at which the run ends, as last planned."""
    _paces: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Plan to take all steps until a pace is known."""
        self.end = self.end or self.max_steps

    def plan(self, step: int, num_steps: int, seconds: float) -> int:
        """Note a stretch of training and return the step at which the run ends.

        Args:
            step: Steps done in all.
            num_steps: Steps of this stretch.
            seconds: What they took.

        Returns:
            At least `step`, at most the recipe's number.
        """
        self.spent_s += seconds
        self._paces = [*self._paces, seconds / max(1, num_steps)][-5:]
        if math.isinf(self.budget_s):
            return self.end
        # The slowest of the last stretches: a run that ends early has decayed, a late one has not.
        pace = max(self._paces)
        left = max(0.0, self.budget_s - self.spent_s)
        self.end = min(self.max_steps, step + int(left / pace) if pace else self.max_steps)
        return self.end
