"""StarCoder2's config.json: transformers' defaults, the released shape, refusals by name."""

from __future__ import annotations

from typing import Any

import pytest

from fimserve.models import BrokenCheckpoint, Starcoder2Config, UnsupportedModel

MINIMAL: dict[str, Any] = {
    "architectures": ["Starcoder2ForCausalLM"],
    "model_type": "starcoder2",
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
RELEASED_3B = MINIMAL | {
    "attention_dropout": 0.1,
    "eos_token_id": 0,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 3072,
    "intermediate_size": 12288,
    "max_position_embeddings": 16384,
    "norm_epsilon": 1e-05,
    "num_attention_heads": 24,
    "num_hidden_layers": 30,
    "num_key_value_heads": 2,
    "rope_theta": 999999.4420358813,
    "sliding_window": 4096,
    "use_bias": True,
    "vocab_size": 49152,
}


def read(**changes: object) -> Starcoder2Config:
    return Starcoder2Config.from_dict(MINIMAL | changes, "config.json")


@pytest.mark.parametrize("keys", [MINIMAL, RELEASED_3B], ids=["minimal", "3b"])
def test_every_number_is_what_transformers_reads(keys: dict[str, Any]) -> None:
    from transformers import Starcoder2Config as TheirConfig

    ours, theirs = read(**keys), TheirConfig(**keys)
    assert ours.vocab_size == theirs.vocab_size
    assert ours.hidden_size == theirs.hidden_size
    assert ours.intermediate_size == theirs.intermediate_size
    assert ours.num_layers == theirs.num_hidden_layers
    assert ours.num_heads == theirs.num_attention_heads
    assert ours.num_kv_heads == theirs.num_key_value_heads
    assert ours.head_dim == theirs.hidden_size // theirs.num_attention_heads
    assert ours.max_context_tokens == theirs.max_position_embeddings
    assert ours.norm_eps == theirs.norm_epsilon
    assert ours.rope.theta == theirs.rope_parameters["rope_theta"]
    assert ours.sliding_window == theirs.sliding_window
    assert (ours.use_bias, ours.tie_embeddings) == (theirs.use_bias, theirs.tie_word_embeddings)


@pytest.mark.parametrize(
    ("error", "keys", "named"),
    [
        (UnsupportedModel, {"model_type": "llama"}, "'llama'"),
        (
            UnsupportedModel,
            {"architectures": ["Starcoder2ForSequenceClassification"]},
            "supported: Starcoder2ForCausalLM",
        ),
        (UnsupportedModel, {"hidden_act": "silu"}, "'hidden_act' is 'silu'"),
        (UnsupportedModel, {"rope_scaling": {"type": "yarn"}}, "'rope_type' is 'yarn'"),
        (UnsupportedModel, {"quantization_config": {"quant_method": "gptq"}}, "'gptq'"),
        (BrokenCheckpoint, {"sliding_window": 0}, "'sliding_window' is 0"),
        (BrokenCheckpoint, {"num_key_value_heads": 3}, "no multiple of num_key_value_heads 3"),
        (BrokenCheckpoint, {"use_bias": 1}, "'use_bias' is 1"),
    ],
)
def test_what_is_not_served_or_contradicts_itself_is_named(
    error: type[Exception], keys: dict[str, Any], named: str
) -> None:
    with pytest.raises(error, match=named):
        read(**keys)
