"""Exported checkpoints are plain Hugging Face directories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fimserve.models import export_checkpoint, load_model, quantise_checkpoint
from fimserve.models.weight_files import SINGLE_FILE
from support.parity import compute_logits
from support.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture
def quantised(tmp_path: Path) -> Path:
    source = write_tiny_checkpoint(tmp_path / "source", dtype=torch.bfloat16)
    return quantise_checkpoint(source, tmp_path / "int8")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_every_tensor_is_in_the_precision_asked_for(
    quantised: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    directory = export_checkpoint(quantised, tmp_path / "plain", dtype)
    tensors = load_file(directory / SINGLE_FILE)
    assert (directory / SINGLE_FILE).stat().st_mode & 0o777 == 0o644
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    assert tensors.keys() == load_file(tmp_path / "source" / SINGLE_FILE).keys()
    keys = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    assert "quantization_config" not in keys
    assert keys["dtype"] == str(dtype).removeprefix("torch.")


def test_transformers_computes_the_same_from_it(quantised: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    directory = export_checkpoint(quantised, tmp_path / "plain", torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    model = load_model(str(quantised), "cpu", "fp32").model
    token_ids = torch.arange(20, 60)
    with torch.inference_mode():
        ours = compute_logits(model, token_ids, 40)
        reference = theirs(token_ids[None]).logits[0]
    assert (ours - reference).abs().max() < 1e-4


def test_tokenizer_and_metadata_come_along(quantised: Path, tmp_path: Path) -> None:
    directory = export_checkpoint(quantised, tmp_path / "plain")
    for name in ["tokenizer.json", "fim.json", "generation_config.json"]:
        assert (directory / name).read_bytes() == (quantised / name).read_bytes()
    loaded = load_model(str(directory), "cpu")
    assert (loaded.family, loaded.default_order) == ("fimserve", "spm")
