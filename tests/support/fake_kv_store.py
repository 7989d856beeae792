"""A key-value memory whose entries can be read: each tells everything that it was computed from.

The entry of a token is a hash of who computed it, of all tokens before it and of itself. So a block
with the right token after the wrong ones, or of another tenant, is told from the right one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zlib import crc32

from fimserve.engine.kv_manager import BlockCopy, CacheKey


def entries_of(key: CacheKey, token_ids: Sequence[int]) -> list[int]:
    """Return the entries of a sequence's tokens, computed without any memory."""
    return list(_chain(_seed(key), token_ids))


class FakeKvStore:
    """Holds an entry for each slot of each block.

    Args:
        num_blocks: Number of blocks.
        block_tokens: Slots in a block.
    """

    def __init__(self, num_blocks: int, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._blocks: list[list[int | None]] = [[None] * block_tokens for _ in range(num_blocks)]
        self.num_copied_tokens = 0
        self.num_computed_tokens = 0

    def copy(self, copies: Sequence[BlockCopy]) -> None:
        """Copy the first entries of blocks into others, in order."""
        for copy in copies:
            assert 0 < copy.num_tokens <= self._block_tokens
            source = self._blocks[copy.source][: copy.num_tokens]
            self._blocks[copy.target][: copy.num_tokens] = source
            self.num_copied_tokens += copy.num_tokens

    def compute(
        self, key: CacheKey, blocks: Sequence[int], start: int, token_ids: Sequence[int]
    ) -> list[int]:
        """Write the entries of tokens, from what is in memory before them, and return them."""
        before = self.read(blocks, start)
        assert None not in before, f"tokens before {start} were never computed: {before}"
        first = before[-1] if before else _seed(key)
        assert first is not None
        new = list(_chain(first, token_ids))
        for place, entry in enumerate(new, start):
            block, offset = divmod(place, self._block_tokens)
            self._blocks[blocks[block]][offset] = entry
        self.num_computed_tokens += len(new)
        return new

    def read(self, blocks: Sequence[int], num_tokens: int) -> list[int | None]:
        """Return the entries of a sequence's first tokens."""
        size = self._block_tokens
        return [self._blocks[blocks[i // size]][i % size] for i in range(num_tokens)]


def _seed(key: CacheKey) -> int:
    return crc32(repr((key.tenant, key.adapter)).encode())  # the same in every process


def _chain(before: int, token_ids: Sequence[int]) -> Iterator[int]:
    for token_id in token_ids:
        before = hash((before, token_id))
        yield before
