"""The same weights give the same logits here and in transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fimserve.models import LlamaConfig, load_model
from support.parity import (
    NUM_TOKENS,
    compute_logits,
    compute_their_logits,
    load_both,
    make_ids,
    relative_difference,
)
from support.tiny_checkpoint import write_tiny_checkpoint

SHAPES: dict[str, dict[str, object]] = {
    "plain": {},
    "untied": {"tie_word_embeddings": False},
    "every head its own keys": {"num_key_value_heads": 4},
    "one head for all keys": {"num_key_value_heads": 1},
    "wide heads": {"head_dim": 32},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "linear rope": {
        "rope_parameters": {"rope_type": "linear", "rope_theta": 100000.0, "factor": 4.0}
    },
    "llama3 rope": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        }
    },
}


@pytest.mark.parametrize("chunk", [NUM_TOKENS, 1], ids=["whole prompt", "step by step"])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_those_of_transformers(shape: str, chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path, seed=3, **SHAPES[shape])
    ours, theirs = load_both(directory, torch.float32)
    assert isinstance(ours.config, LlamaConfig)
    token_ids = make_ids()
    with torch.inference_mode():
        mine = compute_logits(ours, token_ids, chunk)
        reference = compute_their_logits(theirs, token_ids, chunk)
    assert reference.std() > 0.5, "logits all alike would prove nothing"
    assert (mine - reference).abs().max() < 1e-4


@pytest.mark.parametrize("chunk", [NUM_TOKENS, 1], ids=["whole prompt", "step by step"])
@pytest.mark.parametrize("shape", ["plain", "untied", "llama3 rope"])
def test_logits_equal_those_of_transformers_in_bf16(shape: str, chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path, seed=3, dtype=torch.bfloat16, **SHAPES[shape])
    ours, theirs = load_both(directory, torch.bfloat16)
    token_ids = make_ids()
    with torch.inference_mode():
        mine = compute_logits(ours, token_ids, chunk).float()
        reference = compute_their_logits(theirs, token_ids, chunk).float()
    assert relative_difference(mine, reference) < 1e-2


@pytest.mark.parametrize("chunk", [1, 7, 32])
def test_chunked_prefill_equals_the_whole(chunk: int, tmp_path: Path) -> None:
    model = load_model(str(write_tiny_checkpoint(tmp_path)), "cpu", "fp32").model
    token_ids = make_ids(1)
    with torch.inference_mode():
        whole = compute_logits(model, token_ids, NUM_TOKENS)
        chunked = compute_logits(model, token_ids, chunk)
    assert (whole - chunked).abs().max() < 1e-5
