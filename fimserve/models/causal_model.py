"""What the engine asks of a model, whatever its family.

Knows nothing of how a family computes its hidden states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from fimserve.models.config import ModelConfig
from fimserve.models.kv_cache import KvCache


class CausalModel(nn.Module, ABC):
    """Computes hidden states and logits of the tokens that follow a cached sequence.

    Args:
        config: Shape of the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights and of the cache."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def make_cache(self, capacity: int) -> KvCache:
        """Return an empty cache of this model's shape for a number of tokens."""
        return KvCache(self.config, capacity, self.dtype, self.device)

    @abstractmethod
    def forward(self, token_ids: Tensor, positions: Tensor, cache: KvCache) -> Tensor:
        """Return the hidden states of new tokens and append them to the cache.

        Shapes:
            token_ids: [T]     int64, T >= 1
            positions: [T]     int64, each below max_context_tokens
            returns:   [T, E]  model dtype

        Args:
            token_ids: Tokens that follow what the cache holds.
            positions: Position of each token; cache.length onwards for plain text.
            cache: Cache of the sequence, with room for T more tokens; T longer afterwards.

        Returns:
            Hidden states behind the last norm, ready for `logits`.
        """

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores of every token of the vocabulary.

        Shapes:
            hidden:  [..., E]  model dtype
            returns: [..., V]  model dtype

        Args:
            hidden: Output of `forward`, or rows of it.

        Returns:
            Unnormalised log-probabilities of the next token.
        """
