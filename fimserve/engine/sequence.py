"""Tokens together with the keys and values that the model computed for them.

The two always have the same length. Knows nothing of text, sessions or requests.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

import torch
from torch import Tensor

from fimserve.models import CausalModel

GROWTH_TOKENS = 256
"""The cache grows by multiples of this: rarely, and by little more than needed."""


class Sequence:
    """Holds one token sequence and its cache; starts empty.

    Args:
        model: Model whose keys and values are kept.
    """

    def __init__(self, model: CausalModel) -> None:
        self._model = model
        self._cache = model.make_cache(0)
        self.token_ids: list[int] = []
        """Tokens whose keys and values are in the cache."""

    @property
    def num_bytes(self) -> int:
        """Bytes of cache memory held."""
        return self._cache.num_bytes

    @property
    def is_consistent(self) -> bool:
        """Whether tokens and cache have the same length."""
        return len(self.token_ids) == self._cache.length

    def keep_common_prefix(self, token_ids: Items[int]) -> int:
        """Drop what differs from a new sequence, and the new one's last token.

        The last token is always computed anew: its scores are not in the cache.

        Args:
            token_ids: The sequence that will be computed next.

        Returns:
            Number of its tokens that need not be computed.
        """
        limit = min(len(self.token_ids), len(token_ids) - 1)
        kept = 0
        while kept < limit and self.token_ids[kept] == token_ids[kept]:
            kept += 1
        self._cache.truncate(kept)
        del self.token_ids[kept:]
        return kept

    def reserve(self, num_tokens: int) -> None:
        """Make room for a number of tokens in all, so that later steps need not copy."""
        if num_tokens > self._cache.capacity:
            self._cache.reserve(-(-num_tokens // GROWTH_TOKENS) * GROWTH_TOKENS)

    def extend(self, token_ids: Items[int]) -> Tensor:
        """Run the model over further tokens and keep them.

        Shapes:
            returns: [V]  model dtype and device

        Args:
            token_ids: At least one token.

        Returns:
            Scores of the token that follows the last one.
        """
        start = len(self.token_ids)
        self.reserve(start + len(token_ids))
        with torch.inference_mode():
            device = self._model.device
            ids = torch.tensor(token_ids, dtype=torch.int64, device=device)
            positions = torch.arange(start, start + len(token_ids), device=device)
            hidden = self._model(ids, positions, self._cache)
            scores = self._model.logits(hidden[-1])
        self.token_ids.extend(token_ids)
        return scores
