"""Grouped-query attention with rotary positions over one cached sequence, and who sees whom.

Used by every family whose attention is this one; projections bear Hugging Face's names. Knows
nothing of norms, feed-forward layers or files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fimserve.models.config import ModelConfig
from fimserve.models.kv_cache import KvCache
from fimserve.models.rope import apply_rope


class Attention(nn.Module):
    """Computes grouped-query attention of new tokens over the cached ones and themselves.

    Args:
        config: Shape of the model.
        index: Number of the block, from 0: its place in the cache.
        bias: Whether the four projections add a bias.
    """

    def __init__(self, config: ModelConfig, index: int, bias: bool) -> None:
        super().__init__()
        self.index = index
        self.num_heads, self.num_kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.head_dim
        query_size = config.num_heads * config.head_dim
        kv_size = config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, query_size, bias=bias)
        self.k_proj = nn.Linear(config.hidden_size, kv_size, bias=bias)
        self.v_proj = nn.Linear(config.hidden_size, kv_size, bias=bias)
        self.o_proj = nn.Linear(query_size, config.hidden_size, bias=bias)

    def forward(
        self, hidden: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KvCache
    ) -> Tensor:
        """Return what each token gathers from the tokens up to itself.

        Shapes:
            hidden:  [T, E]
            rope:    two of [T, D]
            mask:    [T, length + T]  bool, True = may look; None = see `make_causal_mask`
            returns: [T, E]

        Args:
            hidden: Normed input.
            rope: Cosines and sines of the tokens' positions.
            mask: Who may look at whom.
            cache: Cache to append to.

        Returns:
            The attention output behind its projection.
        """
        num_tokens = hidden.shape[0]
        queries = self._split_heads(self.q_proj(hidden), self.num_heads)  # [H, T, D]
        keys = self._split_heads(self.k_proj(hidden), self.num_kv_heads)  # [Hkv, T, D]
        values = self._split_heads(self.v_proj(hidden), self.num_kv_heads)
        queries, keys = apply_rope(queries, *rope), apply_rope(keys, *rope)
        all_keys, all_values = cache.append(self.index, keys, values)  # [Hkv, S, D]
        gathered = functional.scaled_dot_product_attention(
            queries[None],
            all_keys[None],
            all_values[None],
            attn_mask=mask,
            is_causal=mask is None and num_tokens > 1,
            enable_gqa=self.num_heads != self.num_kv_heads,
        )  # [1, H, T, D]
        merged = gathered[0].transpose(0, 1).reshape(num_tokens, -1)  # [T, H * D]
        projected: Tensor = self.o_proj(merged)
        return projected

    def _split_heads(self, x: Tensor, num_heads: int) -> Tensor:
        return x.view(-1, num_heads, self.head_dim).transpose(0, 1)  # [H, T, D]


def make_causal_mask(
    num_tokens: int, num_cached: int, device: torch.device, window: int | None = None
) -> Tensor | None:
    """Return who may look at whom, or None where the attention kernel needs no mask.

    None means: one token that may look at everything, or an empty cache and plain causal
    attention. In both cases only while the window, if there is one, holds all tokens.

    Shapes:
        returns: [T, num_cached + T]  bool, True where a token may look

    Args:
        num_tokens: New tokens T.
        num_cached: Tokens before them.
        device: Where to make the mask.
        window: How many tokens a token may look at, itself included; None = all before it.

    Returns:
        The mask.
    """
    num_all = num_cached + num_tokens
    slides = window is not None and num_all > window
    if not slides and (num_tokens == 1 or num_cached == 0):
        return None
    mask = torch.ones(num_tokens, num_all, dtype=torch.bool, device=device).tril(num_cached)
    return mask if window is None else mask.triu(num_cached - window + 1)
