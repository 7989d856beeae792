"""The GPTBigCode family (SantaCoder, StarCoder): one key head, a table of positions, a plain GELU.

`c_attn` holds queries, then the one key and the one value, as our stacked projections do. Names are
Hugging Face's without the leading "transformer."; the same weights give the same logits as in
transformers.
"""

from __future__ import annotations

from fimserve.models.attention import Attention
from fimserve.models.block import Block
from fimserve.models.causal_model import CausalModel, ModelParts
from fimserve.models.embedding import Embedding
from fimserve.models.feed_forward import GeluFeedForward
from fimserve.models.gpt_bigcode_config import GptBigCodeConfig
from fimserve.models.linear import Linear
from fimserve.models.norms import LayerNorm


def make_gpt_bigcode(config: GptBigCodeConfig) -> CausalModel:
    """Return a GPTBigCode model, not yet filled."""
    size, inner, eps = config.hidden_size, config.intermediate_size, config.norm_eps
    blocks: list[Block] = []
    for layer in range(config.num_layers):
        attn, mlp = f"h.{layer}.attn", f"h.{layer}.mlp"
        blocks.append(
            Block(
                LayerNorm(f"h.{layer}.ln_1", size, eps),
                Attention(
                    config,
                    layer,
                    Linear(size, {f"{attn}.c_attn": size + 2 * config.head_dim}, True),
                    Linear(size, {f"{attn}.c_proj": size}, True),
                ),
                LayerNorm(f"h.{layer}.ln_2", size, eps),
                GeluFeedForward(
                    Linear(size, {f"{mlp}.c_fc": inner}, True),
                    Linear(inner, {f"{mlp}.c_proj": size}, True),
                ),
            )
        )
    parts = ModelParts(
        tokens=Embedding("wte", config.vocab_size, size),
        positions=Embedding("wpe", config.max_context_tokens, size),
        blocks=blocks,
        norm=LayerNorm("ln_f", size, eps),
        head=None if config.tie_embeddings else Linear(size, {"lm_head": config.vocab_size}, False),
    )
    return CausalModel(config, parts)
