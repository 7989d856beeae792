"""A clock that tests move, for everything that is given its `now_ms`."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Tells a time in milliseconds that moves by a fixed step with each look at it.

    Args:
        step_ms: Milliseconds between two looks.
        on_look: Called with the number of looks so far, before the time is told.
    """

    def __init__(self, step_ms: float = 0.0, on_look: Callable[[int], None] | None = None) -> None:
        self.time_ms = 0.0
        self.num_looks = 0
        self._step_ms = step_ms
        self._on_look = on_look

    def __call__(self) -> float:
        """Return the time and move on."""
        self.num_looks += 1
        if self._on_look is not None:
            self._on_look(self.num_looks)
        self.time_ms += self._step_ms
        return self.time_ms
