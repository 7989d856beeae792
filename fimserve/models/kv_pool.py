"""Keys and values of all sequences, in blocks that any sequence may use.

Who owns which block is decided elsewhere; the pool is memory. What was never written is garbage
(the tests fill it with NaN) and nobody reads it. Knows nothing of token ids or requests.
"""

from __future__ import annotations

from typing import Protocol

import torch

from fimserve.models.config import ModelConfig


class KvStore(Protocol):
    """Says what any memory of keys and values can do: the device's pool, later further tiers."""

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""

    @property
    def block_tokens(self) -> int:
        """Tokens in a block."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held, used or not."""

    def copy_tokens(self, source_block: int, target_block: int, num_tokens: int) -> None:
        """Copy the first tokens of one block into another, in all layers."""


class KvPool:
    """Holds keys and values of all layers in blocks on the model's device.

    Shapes:
        data: [L, 2, N, block_tokens, Hkv, D]  model dtype; 0 = keys, 1 = values
        rows: [L, 2, N * block_tokens, Hkv, D]  the same memory, by slot

    Args:
        config: Shape of the model.
        num_blocks: Number of blocks N.
        block_tokens: Tokens in a block.
        dtype: Precision of the activations.
        device: Device of the model.
    """

    def __init__(
        self,
        config: ModelConfig,
        num_blocks: int,
        block_tokens: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        heads, head_dim = config.num_kv_heads, config.head_dim
        shape = (config.num_layers, 2, num_blocks, block_tokens, heads, head_dim)
        self.data = torch.empty(shape, dtype=dtype, device=device)
        self.rows = self.data.view(config.num_layers, 2, num_blocks * block_tokens, heads, head_dim)
        self.num_blocks = num_blocks
        self.block_tokens = block_tokens

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held, used or not."""
        return self.data.numel() * self.data.element_size()

    @staticmethod
    def block_bytes(config: ModelConfig, block_tokens: int, dtype: torch.dtype) -> int:
        """Return the bytes of one block, so that a budget becomes a number of blocks."""
        per_token = config.num_layers * 2 * config.num_kv_heads * config.head_dim
        return per_token * block_tokens * dtype.itemsize

    def copy_tokens(self, source_block: int, target_block: int, num_tokens: int) -> None:
        """Copy the first tokens of one block into another, in all layers.

        Args:
            source_block: Block to read.
            target_block: Block to write.
            num_tokens: How many tokens, at most a block.

        Raises:
            ValueError: If there is no such block, or more than a block is asked for.
        """
        for block in (source_block, target_block):
            if not 0 <= block < self.num_blocks:
                raise ValueError(f"block {block} is none of {self.num_blocks} blocks")
        if not 0 <= num_tokens <= self.block_tokens:
            raise ValueError(f"{num_tokens} tokens are no part of a block of {self.block_tokens}")
        self.data[:, :, target_block, :num_tokens] = self.data[:, :, source_block, :num_tokens]
