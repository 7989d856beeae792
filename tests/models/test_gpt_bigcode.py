"""The same weights give the same logits here and in transformers: one key head, learned places."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GPTBigCodeForCausalLM

from fimserve.models import BrokenCheckpoint, GptBigCodeConfig, UnsupportedModel
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
    "inner size left out": {"n_inner": None},
    "SantaCoder's name of the GELU": {"activation_function": "gelu_fast"},
    "unscaled scores": {"scale_attn_weights": False},
    "large epsilon": {"layer_norm_epsilon": 0.1},
    "places for just the prompt": {"n_positions": NUM_TOKENS},
}
CHUNKS = pytest.mark.parametrize(
    "chunk", [NUM_TOKENS, 7, 1], ids=["whole prompt", "in chunks", "step by step"]
)


@CHUNKS
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_those_of_transformers(shape: str, chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_family(tmp_path, "gpt_bigcode", seed=3, **SHAPES[shape])
    ours, theirs = load_both(directory, torch.float32)
    assert isinstance(ours.config, GptBigCodeConfig)
    assert isinstance(theirs, GPTBigCodeForCausalLM)
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), chunk)
        reference = compute_their_logits(theirs, make_ids(), chunk)
    assert reference.std() > 0.5, "logits all alike would prove nothing"
    assert (mine - reference).abs().max() < 1e-4


@CHUNKS
def test_logits_equal_those_of_transformers_in_bf16(chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_family(tmp_path, "gpt_bigcode", seed=3, dtype=torch.bfloat16)
    ours, theirs = load_both(directory, torch.bfloat16)
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), chunk).float()
        reference = compute_their_logits(theirs, make_ids(), chunk).float()
    assert relative_difference(mine, reference) < 1e-2


SANTACODER: dict[str, object] = {
    "architectures": ["GPTBigCodeLMHeadModel"],
    "activation_function": "gelu_fast",
    "eos_token_id": 49152,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt_bigcode",
    "multi_query": True,
    "n_embd": 2048,
    "n_head": 16,
    "n_inner": 8192,
    "n_layer": 24,
    "n_positions": 2048,
    "scale_attn_weights": True,
    "vocab_size": 49280,
}


def test_every_number_is_what_transformers_reads() -> None:
    from transformers import GPTBigCodeConfig as TheirConfig

    ours, theirs = GptBigCodeConfig.from_dict(SANTACODER, "config.json"), TheirConfig(**SANTACODER)
    assert ours.vocab_size == theirs.vocab_size
    assert ours.hidden_size == theirs.n_embd
    assert ours.intermediate_size == theirs.n_inner
    assert (ours.num_layers, ours.num_heads) == (theirs.n_layer, theirs.n_head)
    assert (ours.num_kv_heads, ours.head_dim) == (1, theirs.n_embd // theirs.n_head)
    assert ours.max_context_tokens == theirs.n_positions
    assert ours.norm_eps == theirs.layer_norm_epsilon
    assert ours.rope is None
    assert ours.eos_token_ids == {theirs.eos_token_id}


@pytest.mark.parametrize(
    ("error", "keys", "named"),
    [
        (UnsupportedModel, {"multi_query": False}, "'multi_query' is False"),
        (UnsupportedModel, {"add_cross_attention": True}, "'add_cross_attention' is True"),
        (UnsupportedModel, {"activation_function": "relu"}, "'activation_function' is 'relu'"),
        (UnsupportedModel, {"architectures": ["GPT2LMHeadModel"]}, "supported: GPTBigCodeFor"),
        (BrokenCheckpoint, {"n_head": 15}, "no multiple of n_head 15"),
        (BrokenCheckpoint, {"n_embd": None}, "lacks 'n_embd'"),
    ],
)
def test_what_is_not_served_or_contradicts_itself_is_named(
    error: type[Exception], keys: dict[str, object], named: str
) -> None:
    with pytest.raises(error, match=named):
        GptBigCodeConfig.from_dict(SANTACODER | keys, "config.json")
