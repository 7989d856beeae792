"""One transformer block: attention, then feed-forward, each normed and added to its input."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fimserve.models.attention import Attention
from fimserve.models.feed_forward import FeedForward
from fimserve.models.norms import Norm
from fimserve.models.step import Step


@dataclass(frozen=True, slots=True)
class Block:
    """Computes one block of a model."""

    attention_norm: Norm
    """Norms the input of the attention."""
    attention: Attention
    """Lets tokens see each other."""
    feed_forward_norm: Norm
    """Norms the input of the feed-forward layer."""
    feed_forward: FeedForward
    """Computes on each token alone."""

    def __call__(self, hidden: Tensor, step: Step) -> Tensor:
        """Return the block's output for T tokens, a new tensor of shape [T, E] like its input."""
        hidden = self.attention(self.attention_norm(hidden), step).add_(hidden)
        return self.feed_forward(self.feed_forward_norm(hidden), step).add_(hidden)
