"""The StarCoder2 family: layer norms, rotary positions, a plain GELU, a window of attention.

The pool keeps tokens behind the window too, so that a sequence can be cut back anywhere. Names are
Hugging Face's without the leading "model."; the same weights give the same logits as in
transformers.
"""

from __future__ import annotations

from fimserve.models.attention import Attention
from fimserve.models.block import Block
from fimserve.models.causal_model import CausalModel, ModelParts
from fimserve.models.embedding import Embedding
from fimserve.models.feed_forward import GeluFeedForward
from fimserve.models.linear import Linear
from fimserve.models.norms import LayerNorm
from fimserve.models.starcoder2_config import Starcoder2Config


def make_starcoder2(config: Starcoder2Config) -> CausalModel:
    """Return a StarCoder2 model, not yet filled."""
    size, eps, bias = config.hidden_size, config.norm_eps, config.use_bias
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    inner = config.intermediate_size
    blocks: list[Block] = []
    for layer in range(config.num_layers):
        attn, mlp = f"layers.{layer}.self_attn", f"layers.{layer}.mlp"
        qkv = {f"{attn}.q_proj": queries, f"{attn}.k_proj": keys, f"{attn}.v_proj": keys}
        blocks.append(
            Block(
                LayerNorm(f"layers.{layer}.input_layernorm", size, eps),
                Attention(
                    config,
                    layer,
                    Linear(size, qkv, bias),
                    Linear(queries, {f"{attn}.o_proj": size}, bias),
                ),
                LayerNorm(f"layers.{layer}.post_attention_layernorm", size, eps),
                GeluFeedForward(
                    Linear(size, {f"{mlp}.c_fc": inner}, bias),
                    Linear(inner, {f"{mlp}.c_proj": size}, bias),
                ),
            )
        )
    parts = ModelParts(
        tokens=Embedding("embed_tokens", config.vocab_size, size),
        positions=None,
        blocks=blocks,
        norm=LayerNorm("norm", size, eps),
        head=None if config.tie_embeddings else Linear(size, {"lm_head": config.vocab_size}, False),
    )
    return CausalModel(config, parts)
