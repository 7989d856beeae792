"""Keys and values of one token sequence, contiguous, cut back at will.

The cache is the sequence's memory: `length` tokens are valid, what lies behind them is garbage
that the next append overwrites. Cutting costs nothing, so a changed prompt keeps the part that
did not change. Knows nothing of token ids, sessions or requests.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimserve.models.config import ModelConfig


class KvCache:
    """Holds the keys and values of one sequence for all layers; starts empty.

    Shapes:
        data: [L, 2, Hkv, S, D]  model dtype; 0 = keys, 1 = values; only [..., :length, :] is valid

    Args:
        config: Shape of the model.
        capacity: Number of tokens S that fit without growing.
        dtype: Precision of the model.
        device: Device of the model.
    """

    def __init__(
        self, config: ModelConfig, capacity: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = (config.num_layers, 2, config.num_kv_heads, capacity, config.head_dim)
        self.data = torch.empty(shape, dtype=dtype, device=device)
        self.length = 0

    @property
    def capacity(self) -> int:
        """Number of tokens that fit without growing."""
        return self.data.shape[3]

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held, used or not."""
        return self.data.numel() * self.data.element_size()

    def reserve(self, capacity: int) -> None:
        """Make room for a number of tokens in all; never shrinks, keeps what is valid."""
        if capacity <= self.capacity:
            return
        layers, two, heads, _, head_dim = self.data.shape
        grown = self.data.new_empty((layers, two, heads, capacity, head_dim))
        grown[..., : self.length, :] = self.data[..., : self.length, :]
        self.data = grown

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write one layer's new keys and values behind the valid ones.

        The new tokens become valid by `advance`, once every layer has written: a step that
        fails half-way leaves the cache as it was.

        Shapes:
            keys, values: [Hkv, T, D]          dtype of the cache
            returns:      two of [Hkv, length + T, D], views into the cache

        Args:
            layer: Index of the layer.
            keys: Keys of this step.
            values: Values of this step.

        Returns:
            All keys and all values of the layer, the new ones last.

        Raises:
            ValueError: If the new tokens do not fit; call `reserve` first.
        """
        end = self.length + keys.shape[1]
        if end > self.capacity:
            raise ValueError(f"{end} tokens do not fit in a cache of {self.capacity}; reserve more")
        self.data[layer, 0, :, self.length : end] = keys
        self.data[layer, 1, :, self.length : end] = values
        return self.data[layer, 0, :, :end], self.data[layer, 1, :, :end]

    def advance(self, num_tokens: int) -> None:
        """Declare the tokens just appended to every layer valid."""
        self.length += num_tokens

    def truncate(self, length: int) -> None:
        """Keep the first tokens only.

        Args:
            length: Number of tokens to keep, at most the present length.

        Raises:
            ValueError: If more tokens are to be kept than there are.
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot cut a cache of {self.length} tokens to {length}")
        self.length = length
