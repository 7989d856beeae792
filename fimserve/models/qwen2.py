"""The Qwen2 family: llama with a bias on queries, keys and values, and nowhere else."""

from __future__ import annotations

from fimserve.models.causal_model import CausalModel
from fimserve.models.llama import make_gated_model
from fimserve.models.qwen2_config import Qwen2Config


def make_qwen2(config: Qwen2Config) -> CausalModel:
    """Return a Qwen2 model, not yet filled."""
    return make_gated_model(config, qkv_bias=True, output_bias=False, mlp_bias=False)
