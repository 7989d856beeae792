"""The llama family: RMS norms, rotary positions, a gated feed-forward layer.

Names are Hugging Face's without the leading "model."; the same weights give the same logits as in
transformers. Qwen2 is the same but for its biases.
"""

from __future__ import annotations

from fimserve.models.attention import Attention
from fimserve.models.block import Block
from fimserve.models.causal_model import CausalModel, ModelParts
from fimserve.models.config import ModelConfig
from fimserve.models.embedding import Embedding
from fimserve.models.feed_forward import GatedFeedForward
from fimserve.models.linear import Linear
from fimserve.models.llama_config import LlamaConfig
from fimserve.models.norms import RmsNorm


def make_llama(config: LlamaConfig) -> CausalModel:
    """Return a llama model, not yet filled."""
    bias = config.attention_bias
    return make_gated_model(config, bias, bias, config.mlp_bias)


def make_gated_model(
    config: ModelConfig, qkv_bias: bool, output_bias: bool, mlp_bias: bool
) -> CausalModel:
    """Return a model of llama's structure, not yet filled.

    Args:
        config: Shape of the model.
        qkv_bias: Whether queries, keys and values have a bias.
        output_bias: Whether the attention's output projection has one.
        mlp_bias: Whether the feed-forward projections have one.

    Returns:
        The model.
    """
    size, eps = config.hidden_size, config.norm_eps
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    inner = config.intermediate_size
    blocks: list[Block] = []
    for layer in range(config.num_layers):
        attn, mlp = f"layers.{layer}.self_attn", f"layers.{layer}.mlp"
        qkv = {f"{attn}.q_proj": queries, f"{attn}.k_proj": keys, f"{attn}.v_proj": keys}
        gate_up = {f"{mlp}.gate_proj": inner, f"{mlp}.up_proj": inner}
        blocks.append(
            Block(
                RmsNorm(f"layers.{layer}.input_layernorm", size, eps),
                Attention(
                    config,
                    layer,
                    Linear(size, qkv, qkv_bias),
                    Linear(queries, {f"{attn}.o_proj": size}, output_bias),
                ),
                RmsNorm(f"layers.{layer}.post_attention_layernorm", size, eps),
                GatedFeedForward(
                    Linear(size, gate_up, mlp_bias),
                    Linear(inner, {f"{mlp}.down_proj": size}, mlp_bias),
                ),
            )
        )
    parts = ModelParts(
        tokens=Embedding("embed_tokens", config.vocab_size, size),
        positions=None,
        blocks=blocks,
        norm=RmsNorm("norm", size, eps),
        head=None if config.tie_embeddings else Linear(size, {"lm_head": config.vocab_size}, False),
    )
    return CausalModel(config, parts)
