"""The llama transformer in plain PyTorch, for inference on one sequence.

Module names are Hugging Face's without the leading "model.", so a checkpoint's tensors need no
map. Precision follows transformers step by step (norm in fp32, rope in the model's precision):
the same weights give the same logits. Knows nothing of files, text or sampling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fimserve.models.config import LlamaConfig
from fimserve.models.kv_cache import KvCache
from fimserve.models.rope import apply_rope, compute_frequencies, compute_rotation


class LlamaModel(nn.Module):
    """Computes hidden states and logits of the tokens that follow a cached sequence.

    Args:
        config: Shape of the model.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, index) for index in range(config.num_layers))
        self.norm = RmsNorm(config.hidden_size, config.norm_eps)
        if not config.tie_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self._frequencies: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights and of the cache."""
        return self.embed_tokens.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embed_tokens.weight.device

    def make_cache(self, capacity: int) -> KvCache:
        """Return an empty cache of this model's shape for a number of tokens."""
        return KvCache(self.config, capacity, self.dtype, self.device)

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
        num_tokens = token_ids.shape[0]
        rope = self._rope_at(positions)
        mask = _make_causal_mask(num_tokens, cache.length, token_ids.device)
        hidden: Tensor = self.embed_tokens(token_ids)  # [T, E]
        for layer in self.layers:
            hidden = layer(hidden, rope, mask, cache)
        cache.advance(num_tokens)
        normed: Tensor = self.norm(hidden)
        return normed

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
        head = self.embed_tokens if self.config.tie_embeddings else self.lm_head
        scores: Tensor = functional.linear(hidden, head.weight)
        return scores

    def _rope_at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        # Made on first use: the modules are assembled without memory, on the meta device.
        if self._frequencies is None or self._frequencies.device != positions.device:
            frequencies = compute_frequencies(self.config.rope, self.config.head_dim)
            self._frequencies = frequencies.to(positions.device)
        return compute_rotation(self._frequencies, positions, self.dtype)


class Block(nn.Module):
    """Computes one transformer block: attention, then feed-forward, each added to its input.

    Args:
        config: Shape of the model.
        index: Number of this block, from 0: its place in the cache.
    """

    def __init__(self, config: LlamaConfig, index: int) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config, index)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self, hidden: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KvCache
    ) -> Tensor:
        """Return the block's output for T tokens, shape [T, E] like its input."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), rope, mask, cache)
        output: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return output


class Attention(nn.Module):
    """Computes grouped-query attention of new tokens over the cached ones and themselves.

    Args:
        config: Shape of the model.
        index: Number of the block, from 0.
    """

    def __init__(self, config: LlamaConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.num_heads, self.num_kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.head_dim
        bias = config.attention_bias
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
            mask:    [T, length + T]  bool, True = may look; None = see `_make_causal_mask`
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


class FeedForward(nn.Module):
    """Computes the SwiGLU feed-forward layer: down(silu(gate(x)) * up(x)).

    Args:
        config: Shape of the model.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        outer, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.gate_proj = nn.Linear(outer, inner, bias=bias)
        self.up_proj = nn.Linear(outer, inner, bias=bias)
        self.down_proj = nn.Linear(inner, outer, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the layer's output, shape [T, E] like its input."""
        projected: Tensor = self.down_proj(
            functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden)
        )
        return projected


class RmsNorm(nn.Module):
    """Scales each row to a root mean square of one, then each column by its weight.

    Args:
        size: Number of columns.
        eps: Added to the mean square.
    """

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed rows in the dtype of x; the mean is taken in fp32."""
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normed.to(x.dtype)


def _make_causal_mask(num_tokens: int, num_cached: int, device: torch.device) -> Tensor | None:
    """Return [T, num_cached + T], True where a token may look; None where none is needed.

    None means: one token (it may look at everything) or an empty cache (plain causal attention,
    for which the attention kernel needs no mask).
    """
    if num_tokens == 1 or num_cached == 0:
        return None
    mask = torch.ones(num_tokens, num_cached + num_tokens, dtype=torch.bool, device=device)
    return mask.tril(diagonal=num_cached)
