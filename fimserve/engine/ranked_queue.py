"""Sequences in the order of their ranks.

A rank does not change while a sequence is in here, so that putting in and taking out is a search
and not a sort. Knows nothing of what ranks mean.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice

from fimserve.engine.sequence import Sequence


class RankedQueue:
    """Holds sequences; no two of them have the same rank."""

    def __init__(self) -> None:
        self._sequences: list[Sequence] = []
        self._ranks: list[tuple[float, ...]] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sequences)

    def __iter__(self) -> Iterator[Sequence]:
        """Yield the sequences, first one first; the queue must not change meanwhile."""
        return iter(self._sequences)

    def __contains__(self, sequence: Sequence) -> bool:
        """Return whether a sequence is here."""
        return self._find(sequence) is not None

    @property
    def first(self) -> Sequence:
        """The one that goes first; there must be one."""
        return self._sequences[0]

    @property
    def last(self) -> Sequence:
        """The one that goes last; there must be one."""
        return self._sequences[-1]

    def head(self, count: int) -> list[Sequence]:
        """Return the first sequences, at most so many."""
        return self._sequences[:count]

    def before(self, rank: tuple[float, ...]) -> Iterator[Sequence]:
        """Yield the sequences that go before a rank."""
        return islice(self._sequences, bisect_left(self._ranks, rank))

    def add(self, sequence: Sequence) -> None:
        """Put a sequence in."""
        place = bisect_left(self._ranks, sequence.rank)
        self._ranks.insert(place, sequence.rank)
        self._sequences.insert(place, sequence)

    def discard(self, sequence: Sequence) -> bool:
        """Take a sequence out; return whether it was here."""
        place = self._find(sequence)
        if place is None:
            return False
        del self._ranks[place], self._sequences[place]
        return True

    def _find(self, sequence: Sequence) -> int | None:
        place = bisect_left(self._ranks, sequence.rank)
        if place < len(self._sequences) and self._sequences[place] is sequence:
            return place
        return None
