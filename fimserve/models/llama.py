"""The llama transformer in plain PyTorch, for inference on one sequence.

Module names are Hugging Face's without the leading "model.", so a checkpoint's tensors need no
map. Precision follows transformers step by step (norm in fp32, rope in the model's precision):
the same weights give the same logits. Knows nothing of files, text or sampling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fimserve.models.attention import Attention, make_causal_mask
from fimserve.models.causal_model import CausalModel
from fimserve.models.kv_cache import KvCache
from fimserve.models.llama_config import LlamaConfig
from fimserve.models.rope import RotaryEmbedding


class LlamaModel(CausalModel):
    """Computes hidden states and logits with a llama model; see `CausalModel`.

    Args:
        config: Shape of the model.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(LlamaBlock(config, index) for index in range(config.num_layers))
        self.norm = RmsNorm(config.hidden_size, config.norm_eps)
        if not config.tie_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self._rope = RotaryEmbedding(config.rope, config.head_dim)

    def forward(self, token_ids: Tensor, positions: Tensor, cache: KvCache) -> Tensor:
        """Return the hidden states [T, E] of new tokens and append them to the cache."""
        num_tokens = token_ids.shape[0]
        rope = self._rope.rotation_at(positions, self.dtype)
        mask = make_causal_mask(num_tokens, cache.length, token_ids.device)
        hidden: Tensor = self.embed_tokens(token_ids)  # [T, E]
        for layer in self.layers:
            hidden = layer(hidden, rope, mask, cache)
        cache.advance(num_tokens)
        normed: Tensor = self.norm(hidden)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores [..., V] of every token of the vocabulary."""
        head = self.embed_tokens if self.config.tie_embeddings else self.lm_head
        return functional.linear(hidden, head.weight)


class LlamaBlock(nn.Module):
    """Computes one transformer block: attention, then feed-forward, each added to its input.

    Args:
        config: Shape of the model.
        index: Number of this block, from 0: its place in the cache.
    """

    def __init__(self, config: LlamaConfig, index: int) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config, index, config.attention_bias)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.norm_eps)
        self.mlp = GatedFeedForward(config)

    def forward(
        self, hidden: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KvCache
    ) -> Tensor:
        """Return the block's output for T tokens, shape [T, E] like its input."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), rope, mask, cache)
        output: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return output


class GatedFeedForward(nn.Module):
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
