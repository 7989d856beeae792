"""Token ids of pieces of text, kept for one session: what did not change is not encoded again.

Belongs to one session and is never shared: how long a prompt takes must tell nobody what others
have typed. Knows nothing of tokenizers.
"""

import sys
from collections.abc import Sequence

MAX_GENERATION_BYTES = 1 << 18
"""Bytes after which pieces that are not used any more begin to be forgotten. A prompt of 2,048
tokens in code has pieces of half of that."""

_ENTRY_BYTES = 104
"""What a dictionary takes per entry, about."""
_ID_BYTES = 28
"""What one id takes besides its place in the tuple."""


class KeptTokens:
    """Holds the ids of the pieces used last, in at most twice the bytes of a generation.

    There are two generations: once the young one is full it becomes the old one, and the old one is
    forgotten. What is found in the old one moves to the young one. So a piece outlives one
    generation of others, without a list of who came last.

    Args:
        max_generation_bytes: Size at which a generation is full.
    """

    def __init__(self, max_generation_bytes: int = MAX_GENERATION_BYTES) -> None:
        self._max_generation_bytes = max_generation_bytes
        self._young: dict[str, tuple[int, ...]] = {}
        self._old: dict[str, tuple[int, ...]] = {}
        self._young_bytes = 0
        self._old_bytes = 0

    def __len__(self) -> int:
        """Return the number of pieces, those in both generations twice."""
        return len(self._young) + len(self._old)

    @property
    def num_bytes(self) -> int:
        """Bytes that the pieces and their ids take, about."""
        return self._young_bytes + self._old_bytes

    def find(self, piece: str) -> tuple[int, ...] | None:
        """Return the ids of a piece, None where they are not known.

        Args:
            piece: A piece as it was cut.

        Returns:
            Its ids.
        """
        ids = self._young.get(piece)
        if ids is None and (ids := self._old.get(piece)) is not None:
            self._add(piece, ids)
        return ids

    def find_all(self, pieces: Sequence[str]) -> list[tuple[int, ...] | None]:
        """Return the ids of each of many pieces, None for those that are not known."""
        found = list(map(self._young.get, pieces))
        if None in found:
            found = list(map(self.find, pieces))
        return found

    def keep(self, piece: str, token_ids: Sequence[int]) -> tuple[int, ...]:
        """Keep the ids of a piece that was not found.

        Args:
            piece: The piece.
            token_ids: Its ids.

        Returns:
            The ids.
        """
        ids = tuple(token_ids)
        self._add(piece, ids)
        return ids

    def _add(self, piece: str, ids: tuple[int, ...]) -> None:
        if piece in self._young:
            return  # the same line twice among those that were missing
        num_bytes = sys.getsizeof(piece) + sys.getsizeof(ids) + _ID_BYTES * len(ids) + _ENTRY_BYTES
        if num_bytes > self._max_generation_bytes:
            return  # a line of a megabyte would be all that is kept
        if self._young_bytes + num_bytes > self._max_generation_bytes:
            self._old, self._old_bytes = self._young, self._young_bytes
            self._young, self._young_bytes = {}, 0
        self._young[piece] = ids
        self._young_bytes += num_bytes
