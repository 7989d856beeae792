"""Who goes first when not all can.

A policy only ranks; what follows from ranks is the scheduler's. Knows nothing of blocks.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from fimserve.engine.sequence import Sequence

Rank: TypeAlias = tuple[float, ...]
"""Smaller goes first."""


class Policy(Protocol):
    """Says what the scheduler asks of a policy."""

    def rank(self, sequence: Sequence, now_ms: float) -> Rank:
        """Return the place of a sequence among others.

        Args:
            sequence: The sequence.
            now_ms: The present.

        Returns:
            Its rank.
        """


class DeadlinePolicy:
    """Ranks by class, then by deadline, then by arrival; who has waited long enough goes first.

    So nobody starves: whoever has waited `aging_ms` is behind only those who arrived before.

    Args:
        aging_ms: Wait after which class and deadline no longer count.
        usual_ms: Time in which a request without a deadline is taken to be wanted.
    """

    def __init__(self, aging_ms: float = 2000.0, usual_ms: float = 1000.0) -> None:
        self._aging_ms = aging_ms
        self._usual_ms = usual_ms

    def rank(self, sequence: Sequence, now_ms: float) -> Rank:
        """Return (0, arrival) of one that has waited too long, else (class, deadline, arrival)."""
        arrived_ms = sequence.arrived_ms
        if now_ms - arrived_ms >= self._aging_ms:
            return (0.0, arrived_ms)
        deadline_ms = sequence.deadline_ms
        if deadline_ms is None:
            deadline_ms = arrived_ms + self._usual_ms
        return (1.0 if sequence.priority == "interactive" else 2.0, deadline_ms, arrived_ms)
