"""The blocks of the key-value memory that belong to nobody, and handing them out.

A sequence gets neighbours where there are any: attention on a CPU reads keys of consecutive blocks
without copying them. Knows nothing of what blocks hold.
"""

from __future__ import annotations

from fimserve.engine.errors import BrokenEngine

FREE, TAKEN = b"\x01", b"\x00"


class BlockPool:
    """Hands out blocks by number.

    Args:
        num_blocks: How many there are, numbered from 0.
    """

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._is_free = bytearray(FREE * num_blocks)
        self.num_free = num_blocks
        """Blocks that nobody has."""

    def take(self, count: int, after: int | None = None) -> list[int]:
        """Return blocks that are taken from now on.

        Args:
            count: How many; at most `num_free`.
            after: Last block of the sequence that gets them: its neighbours come first.

        Returns:
            The blocks, consecutive where possible.

        Raises:
            BrokenEngine: If there are not so many.
        """
        if count > self.num_free:
            raise BrokenEngine(f"{count} blocks are wanted and {self.num_free} are free")
        taken: list[int] = []
        at = -1 if after is None else after + 1
        while len(taken) < count:
            if not (0 <= at < self.num_blocks and self._is_free[at]):
                at = self._find_run(count - len(taken))
            self._is_free[at] = TAKEN[0]
            taken.append(at)
            at += 1
        self.num_free -= count
        return taken

    def give_back(self, blocks: list[int]) -> None:
        """Let blocks go.

        Args:
            blocks: Blocks that are taken.

        Raises:
            BrokenEngine: If one is not.
        """
        for block in blocks:
            if self._is_free[block]:
                raise BrokenEngine(f"block {block} was given back twice")
            self._is_free[block] = FREE[0]
        self.num_free += len(blocks)

    def is_free(self, block: int) -> bool:
        """Return whether nobody has a block."""
        return bool(self._is_free[block])

    def _find_run(self, length: int) -> int:
        """Return the start of a run of free blocks, of this length where there is one."""
        while length > 1:
            start = self._is_free.find(FREE * length)
            if start >= 0:
                return start
            length //= 2
        return self._is_free.find(FREE)
