"""The StarCoder2 transformer in plain PyTorch, for inference on one sequence.

Beside llama: layer norms with a bias, a plain GELU feed-forward layer, and a sliding window of
attention. The cache keeps tokens behind the window too, so that it can be cut back anywhere.
Module names are Hugging Face's without the leading "model."; the same weights give the same
logits as in transformers. Knows nothing of files, text or sampling.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from fimserve.models.attention import Attention, make_causal_mask
from fimserve.models.causal_model import CausalModel
from fimserve.models.kv_cache import KvCache
from fimserve.models.rope import RotaryEmbedding
from fimserve.models.starcoder2_config import Starcoder2Config


class Starcoder2Model(CausalModel):
    """Computes hidden states and logits with a StarCoder2 model; see `CausalModel`.

    Args:
        config: Shape of the model.
    """

    def __init__(self, config: Starcoder2Config) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            Starcoder2Block(config, index) for index in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        if not config.tie_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self._rope = RotaryEmbedding(config.rope, config.head_dim)
        self._window = config.sliding_window

    def forward(self, token_ids: Tensor, positions: Tensor, cache: KvCache) -> Tensor:
        """Return the hidden states [T, E] of new tokens and append them to the cache."""
        num_tokens = token_ids.shape[0]
        rope = self._rope.rotation_at(positions, self.dtype)
        mask = make_causal_mask(num_tokens, cache.length, token_ids.device, self._window)
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


class Starcoder2Block(nn.Module):
    """Computes one transformer block: attention, then feed-forward, each added to its input.

    Args:
        config: Shape of the model.
        index: Number of this block, from 0: its place in the cache.
    """

    def __init__(self, config: Starcoder2Config, index: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.self_attn = Attention(config, index, config.use_bias)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.mlp = GeluFeedForward(config)

    def forward(
        self, hidden: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KvCache
    ) -> Tensor:
        """Return the block's output for T tokens, shape [T, E] like its input."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), rope, mask, cache)
        output: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return output


class GeluFeedForward(nn.Module):
    """Computes the feed-forward layer c_proj(gelu(c_fc(x))), GELU by its tanh formula.

    Args:
        config: Shape of the model.
    """

    def __init__(self, config: Starcoder2Config) -> None:
        super().__init__()
        outer, inner, bias = config.hidden_size, config.intermediate_size, config.use_bias
        self.c_fc = nn.Linear(outer, inner, bias=bias)
        self.c_proj = nn.Linear(inner, outer, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the layer's output, shape [T, E] like its input."""
        projected: Tensor = self.c_proj(functional.gelu(self.c_fc(hidden), approximate="tanh"))
        return projected
