"""The same weights give the same logits here and in transformers; no window is ever used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Qwen2ForCausalLM

from fimserve.models import Qwen2Config, UnsupportedModel
from support.parity import (
    NUM_TOKENS,
    compute_logits,
    compute_their_logits,
    load_both,
    make_ids,
    relative_difference,
)
from support.tiny_families import write_tiny_family

SHAPES: dict[str, dict[str, object]] = {
    "plain": {},
    "untied": {"tie_word_embeddings": False},
    "every head its own keys": {"num_key_value_heads": 4},
    "one head for all keys": {"num_key_value_heads": 1},
    "linear rope": {
        "rope_parameters": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 4.0}
    },
}
CHUNKS = pytest.mark.parametrize(
    "chunk", [NUM_TOKENS, 7, 1], ids=["whole prompt", "in chunks", "step by step"]
)


@CHUNKS
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_those_of_transformers(shape: str, chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_family(tmp_path, "qwen2", seed=3, **SHAPES[shape])
    ours, theirs = load_both(directory, torch.float32)
    assert isinstance(ours.config, Qwen2Config)
    assert isinstance(theirs, Qwen2ForCausalLM)
    assert ours.config.sliding_window is None
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), chunk)
        reference = compute_their_logits(theirs, make_ids(), chunk)
    assert reference.std() > 0.5, "logits all alike would prove nothing"
    assert (mine - reference).abs().max() < 1e-4


@CHUNKS
def test_logits_equal_those_of_transformers_in_bf16(chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_family(tmp_path, "qwen2", seed=3, dtype=torch.bfloat16)
    ours, theirs = load_both(directory, torch.bfloat16)
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), chunk).float()
        reference = compute_their_logits(theirs, make_ids(), chunk).float()
    assert relative_difference(mine, reference) < 1e-2


RELEASED_1_5B: dict[str, object] = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "hidden_act": "silu",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "max_position_embeddings": 32768,
    "max_window_layers": 28,
    "model_type": "qwen2",
    "num_attention_heads": 12,
    "num_hidden_layers": 28,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}


def test_every_number_is_what_transformers_reads() -> None:
    from transformers import Qwen2Config as TheirConfig

    ours, theirs = Qwen2Config.from_dict(RELEASED_1_5B, "config.json"), TheirConfig(**RELEASED_1_5B)
    assert ours.vocab_size == theirs.vocab_size
    assert ours.hidden_size == theirs.hidden_size
    assert ours.intermediate_size == theirs.intermediate_size
    assert (ours.num_layers, ours.num_heads) == (28, theirs.num_attention_heads)
    assert ours.num_kv_heads == theirs.num_key_value_heads
    assert ours.head_dim == theirs.hidden_size // theirs.num_attention_heads
    assert ours.max_context_tokens == theirs.max_position_embeddings
    assert ours.norm_eps == theirs.rms_norm_eps
    assert ours.rope is not None
    assert ours.rope.theta == theirs.rope_parameters["rope_theta"]
    assert ours.tie_embeddings == theirs.tie_word_embeddings
    assert ours.eos_token_ids == {theirs.eos_token_id}


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"use_sliding_window": True}, "'use_sliding_window' is True"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "'layer_types' is"),
        ({"hidden_act": "gelu"}, "'hidden_act' is 'gelu'"),
        ({"architectures": ["Qwen2ForTokenClassification"]}, "supported: Qwen2ForCausalLM"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "'rope_type' is 'yarn'"),
    ],
)
def test_what_is_not_served_is_refused_by_name(keys: dict[str, object], named: str) -> None:
    with pytest.raises(UnsupportedModel, match=named):
        Qwen2Config.from_dict(RELEASED_1_5B | keys, "config.json")
