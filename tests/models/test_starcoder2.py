"""The same weights give the same logits here and in transformers, beyond the window too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import Starcoder2ForCausalLM

from fimserve.models import Starcoder2Config, export_checkpoint, load_model, quantise_checkpoint
from fimserve.models.weight_files import SINGLE_FILE
from support.parity import (
    NUM_TOKENS,
    compute_logits,
    compute_their_logits,
    load_both,
    make_ids,
    relative_difference,
)
from support.tiny_starcoder2 import write_tiny_starcoder2

SHAPES: dict[str, dict[str, object]] = {
    "a window of 16": {},
    # Not 1: the cache of transformers 5.23 then keeps every token instead of none.
    "a window of 2": {"sliding_window": 2},
    "a window one short of the prompt": {"sliding_window": NUM_TOKENS - 1},
    "a window of the prompt": {"sliding_window": NUM_TOKENS},
    "no window": {"sliding_window": None},
    "untied": {"tie_word_embeddings": False},
    "every head its own keys": {"num_key_value_heads": 4},
    "one head for all keys": {"num_key_value_heads": 1},
    "no biases": {"use_bias": False},
    "large epsilon": {"norm_epsilon": 0.1},
}
CHUNKS = pytest.mark.parametrize(
    "chunk", [NUM_TOKENS, 7, 1], ids=["whole prompt", "in chunks", "step by step"]
)


@CHUNKS
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_those_of_transformers(shape: str, chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_starcoder2(tmp_path, seed=3, **SHAPES[shape])
    ours, theirs = load_both(directory, torch.float32)
    assert isinstance(ours.config, Starcoder2Config)
    assert isinstance(theirs, Starcoder2ForCausalLM)
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), chunk)
        reference = compute_their_logits(theirs, make_ids(), chunk)
    assert reference.std() > 0.5, "logits all alike would prove nothing"
    assert (mine - reference).abs().max() < 1e-4


@CHUNKS
@pytest.mark.parametrize("shape", ["a window of 16", "no window", "untied"])
def test_logits_equal_those_of_transformers_in_bf16(shape: str, chunk: int, tmp_path: Path) -> None:
    directory = write_tiny_starcoder2(tmp_path, seed=3, dtype=torch.bfloat16, **SHAPES[shape])
    ours, theirs = load_both(directory, torch.bfloat16)
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), chunk).float()
        reference = compute_their_logits(theirs, make_ids(), chunk).float()
    assert relative_difference(mine, reference) < 1e-2


def test_a_token_is_seen_for_exactly_the_window(tmp_path: Path) -> None:
    """With one layer only, the first token reaches tokens 0 to 15 of a window of 16."""
    model = load_model(str(write_tiny_starcoder2(tmp_path)), "cpu", "fp32").model
    model.parts = replace(model.parts, blocks=model.parts.blocks[:1])
    token_ids, changed = make_ids(), make_ids()
    changed[0] = (changed[0] + 1) % 100
    with torch.inference_mode():
        before, after = (compute_logits(model, ids, NUM_TOKENS) for ids in (token_ids, changed))
    differs = ((before - after).abs().amax(dim=1) > 1e-6).tolist()
    assert differs == [True] * 16 + [False] * (NUM_TOKENS - 16)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_int8_and_export_work_as_for_llama(tied: bool, tmp_path: Path) -> None:
    source = write_tiny_starcoder2(
        tmp_path / "source", dtype=torch.bfloat16, tie_word_embeddings=tied
    )
    int8 = quantise_checkpoint(source, tmp_path / "int8")
    plain = export_checkpoint(int8, tmp_path / "plain", torch.float32)
    before, stored = load_file(source / SINGLE_FILE), load_file(int8 / SINGLE_FILE)
    for name, tensor in before.items():
        if tensor.ndim == 2:
            assert stored[name].dtype == torch.int8
        else:
            assert torch.equal(stored[name], tensor)
    with torch.inference_mode():
        original, quantised = (
            compute_logits(load_model(str(path), "cpu", "fp32").model, make_ids(), NUM_TOKENS)
            for path in (source, int8)
        )
        exported, theirs = load_both(plain, torch.float32)
        reference = compute_their_logits(theirs, make_ids(), NUM_TOKENS)
        assert torch.equal(compute_logits(exported, make_ids(), NUM_TOKENS), quantised)
    assert (quantised - reference).abs().max() < 1e-4
    assert 0 < (quantised - original).std() < 0.05 * original.std()


def test_transformers_loads_the_int8_form_unchanged(tmp_path: Path) -> None:
    pytest.importorskip("compressed_tensors")
    source = write_tiny_starcoder2(tmp_path / "source", dtype=torch.bfloat16)
    ours, theirs = load_both(quantise_checkpoint(source, tmp_path / "int8"), torch.float32)
    with torch.inference_mode():
        mine = compute_logits(ours, make_ids(), NUM_TOKENS)
        reference = compute_their_logits(theirs, make_ids(), NUM_TOKENS)
    assert (mine - reference).abs().max() < 1e-4
