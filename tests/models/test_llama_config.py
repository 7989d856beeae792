"""llama's config.json is read in both its generations; what is not served is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fimserve.models import BrokenCheckpoint, LlamaConfig, UnsupportedModel
from fimserve.models.rope import RopeConfig

MINIMAL: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def read(**changes: object) -> LlamaConfig:
    return LlamaConfig.from_dict(MINIMAL | changes, "config.json")


def test_absent_keys_take_the_defaults_of_transformers() -> None:
    from transformers import LlamaConfig as TheirConfig

    ours, theirs = read(), TheirConfig(**MINIMAL)
    assert ours.num_kv_heads == theirs.num_key_value_heads
    assert ours.head_dim == theirs.head_dim
    assert ours.max_context_tokens == theirs.max_position_embeddings
    assert ours.norm_eps == theirs.rms_norm_eps
    assert ours.tie_embeddings == theirs.tie_word_embeddings
    assert ours.rope.theta == theirs.rope_parameters["rope_theta"]
    assert (ours.attention_bias, ours.mlp_bias) == (theirs.attention_bias, theirs.mlp_bias)


LINEAR = RopeConfig(theta=100000.0, rope_type="linear", factor=4.0)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"rope_theta": 5e5}, RopeConfig(theta=5e5)),
        ({"rope_theta": 5e5, "rope_scaling": None}, RopeConfig(theta=5e5)),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}, RopeConfig(theta=5e5)),
        ({"rope_theta": 1e5, "rope_scaling": {"type": "linear", "factor": 4.0}}, LINEAR),
        ({"rope_theta": 1e5, "rope_scaling": {"rope_type": "linear", "factor": 4}}, LINEAR),
        (
            {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e5, "factor": 4.0}},
            LINEAR,
        ),
    ],
)
def test_rope_is_read_from_old_and_new_keys(keys: dict[str, Any], expected: RopeConfig) -> None:
    assert read(**keys).rope == expected


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"model_type": "qwen2"}, "'qwen2'"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "LlamaForSequenceClassification"),
        ({"hidden_act": "gelu"}, "'hidden_act' is 'gelu'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "'rope_type' is 'yarn'"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "'rope_type' is 'dynamic'"),
        ({"partial_rotary_factor": 0.5}, "'partial_rotary_factor' is 0.5"),
        (
            {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}},
            "'partial_rotary_factor' is 0.5",
        ),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quant_method 'gptq'"),
        (
            {"quantization_config": {"quant_method": "compressed-tensors", "format": "dense"}},
            "format 'dense'",
        ),
        ({"quantization_config": "int8"}, "quant_method None"),
    ],
)
def test_what_is_not_served_is_refused_by_name(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedModel, match=named):
        read(**keys)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"vocab_size": None}, "lacks 'vocab_size'"),
        ({"hidden_size": "64"}, "'hidden_size' is '64'"),
        ({"num_hidden_layers": 0}, "'num_hidden_layers' is 0"),
        ({"num_hidden_layers": True}, "'num_hidden_layers' is True"),
        ({"rms_norm_eps": -1e-6}, "'rms_norm_eps' is -1e-06"),
        ({"tie_word_embeddings": "yes"}, "'tie_word_embeddings' is 'yes'"),
        ({"num_key_value_heads": 3}, "no multiple of num_key_value_heads 3"),
        ({"head_dim": 15}, "head_dim is 15"),
        ({"rope_scaling": {"rope_type": "linear"}}, "lacks 'factor'"),
        ({"rope_scaling": [1]}, "not a map"),
        (
            {
                "rope_scaling": {
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "low_freq_factor": 4.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 8192,
                }
            },
            "low_freq_factor 4.0 is not below",
        ),
    ],
)
def test_contradictions_are_named(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(BrokenCheckpoint, match=named):
        read(**keys)


@pytest.mark.parametrize(("value", "expected"), [(7, {7}), ([7, 8], {7, 8}), (None, set())])
def test_end_tokens_are_one_or_many_or_none(value: object, expected: set[int]) -> None:
    assert read(eos_token_id=value).eos_token_ids == expected


@pytest.mark.parametrize("content", ["", "{", "[]", "\xff"])
def test_a_file_that_is_no_json_object_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(BrokenCheckpoint, match=r"config\.json"):
        LlamaConfig.from_json(path)


def test_a_file_is_read_like_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(MINIMAL), encoding="utf-8")
    assert LlamaConfig.from_json(path) == read()
    with pytest.raises(BrokenCheckpoint, match="does not exist"):
        LlamaConfig.from_json(tmp_path / "other.json")
