"""Exported checkpoints are plain Hugging Face directories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fimserve.models import (
    Adapter,
    AdapterMismatch,
    LowRankChange,
    export_checkpoint,
    load_model,
    merge_adapter,
    quantise_checkpoint,
    read_adapter,
    write_random_adapter,
)
from fimserve.models.weight_files import SINGLE_FILE
from support.parity import compute_logits
from support.tiny_adapter import TARGETS, load_with_peft, write_tiny_adapter
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


def test_a_merged_model_computes_what_the_adapter_makes_of_it(tmp_path: Path) -> None:
    source = write_tiny_checkpoint(tmp_path / "source")
    adapter = read_adapter(write_tiny_adapter(tmp_path / "adapter", source, TARGETS["llama"]))
    merged = merge_adapter(source, adapter, tmp_path / "merged")
    token_ids = torch.arange(20, 60)
    with torch.inference_mode():
        before = compute_logits(load_model(str(source), "cpu", "fp32").model, token_ids, 40)
        found = compute_logits(load_model(str(merged), "cpu", "fp32").model, token_ids, 40)
        expected = load_with_peft(source, tmp_path / "adapter")(token_ids[None]).logits[0]
    assert (found - expected).abs().max() < 1e-4
    assert (found - before).abs().max() > 1e-2
    assert json.loads((merged / "config.json").read_text())["dtype"] == "float32"


def test_what_was_int8_is_int8_again_when_merged(quantised: Path, tmp_path: Path) -> None:
    adapter = read_adapter(write_random_adapter(quantised, tmp_path / "adapter", rank=3))
    assert {change.down.shape[0] for change in adapter.changes.values()} == {3}
    assert len(adapter.changes) == 2 * 7
    merged = merge_adapter(quantised, adapter, tmp_path / "merged")
    before, after = (load_file(one / SINGLE_FILE) for one in (quantised, merged))
    assert {name: tensor.dtype for name, tensor in after.items()}.keys() == before.keys()
    assert after["model.layers.0.mlp.up_proj.weight"].dtype == torch.int8
    load_model(str(merged), "cpu")


def test_an_adapter_of_another_model_is_not_merged(tmp_path: Path) -> None:
    source = write_tiny_checkpoint(tmp_path / "source")
    for module, shape, complaint in (
        ("model.layers.9.mlp.up_proj", (160, 64), "which the model lacks"),
        ("model.layers.0.mlp.up_proj", (64, 64), "has the shape"),
    ):
        change = LowRankChange(torch.ones(2, shape[1]), torch.ones(shape[0], 2), 1.0)
        with pytest.raises(AdapterMismatch, match=complaint):
            merge_adapter(source, Adapter("a", None, {module: change}), tmp_path / "merged")
