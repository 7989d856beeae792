"""Who goes first when not all can.

A policy only compares; what follows from it is the scheduler's. Knows nothing of blocks and steps.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from fimserve.engine.sequence import Sequence

Rank: TypeAlias = tuple[float, ...]
"""Smaller goes first."""


class Policy(Protocol):
    """Says what the scheduler asks of a policy; no answer may change while a sequence lives."""

    def rank(self, sequence: Sequence) -> Rank:
        """Return the place of a sequence among others; the earlier number decides between equals.

        Args:
            sequence: The sequence.

        Returns:
            Its rank.
        """

    def aged_at_ms(self, sequence: Sequence) -> float | None:
        """Return when a sequence has waited for so long that it goes before all others.

        One at a time does, the one that came first: each gets its turn, and all of them together
        do not push everybody else aside.

        Args:
            sequence: The sequence.

        Returns:
            The time; None for one that need not be helped.
        """

    def may_displace(self, sequence: Sequence, other: Sequence) -> bool:
        """Return whether a sequence that waits may take the place of one that runs.

        Args:
            sequence: The one that waits.
            other: The one that runs, and would be computed again later.

        Returns:
            Whether it may.
        """


class DeadlinePolicy:
    """Ranks by class, then by deadline, then by arrival.

    Deadlines are times of day, so that whoever waits within a class is overtaken only for so long.
    Across classes aging sees to it. A request at the cursor takes the place of background work.

    Args:
        aging_ms: Wait after which background work gets its turn.
        usual_ms: Time in which a request without a deadline is taken to be wanted.
    """

    def __init__(self, aging_ms: float = 2000.0, usual_ms: float = 1000.0) -> None:
        self._aging_ms = aging_ms
        self._usual_ms = usual_ms

    def rank(self, sequence: Sequence) -> Rank:
        """Return (class, deadline, arrival)."""
        deadline_ms = sequence.deadline_ms
        if deadline_ms is None:
            deadline_ms = sequence.arrived_ms + self._usual_ms
        return (float(sequence.priority != "interactive"), deadline_ms, sequence.arrived_ms)

    def aged_at_ms(self, sequence: Sequence) -> float | None:
        """Return the end of the wait of background work."""
        if sequence.priority == "interactive":
            return None
        return sequence.arrived_ms + self._aging_ms

    def may_displace(self, sequence: Sequence, other: Sequence) -> bool:
        """Return whether somebody waits at the cursor for one, and nobody for the other."""
        return sequence.priority == "interactive" and other.priority != "interactive"
