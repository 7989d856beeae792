"""What is written is a Hugging Face checkpoint that says what it is."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from fimserve.models import load_model
from fimserve.prompt import Renderer, TextEncoder, load_format
from fimtraining.export import save_model
from fimtraining.model import ModelShape, TrainingLlama

SHAPE = ModelShape(
    vocab_size=400, hidden_size=32, intermediate_size=48, num_layers=2, num_heads=4, num_kv_heads=2,
    max_tokens=128, rope_theta=50_000.0,
)  # fmt: skip
DTYPES = [torch.bfloat16, torch.float32]


@pytest.fixture(scope="module")
def model() -> TrainingLlama:
    torch.manual_seed(1)
    return TrainingLlama(SHAPE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_weights_are_stored_in_the_precision_asked_for(
    dtype: torch.dtype, model: TrainingLlama, tokenizer_dir: Path, tmp_path: Path
) -> None:
    save_model(model, tokenizer_dir, tmp_path, dtype)
    stored = load_file(tmp_path / "model.safetensors")
    assert {name for name, _ in model.named_parameters()} == {
        name.removeprefix("model.") for name in stored
    }
    for name, weight in model.named_parameters():
        assert torch.equal(stored[f"model.{name}"], weight.detach().to(dtype))
    assert AutoConfig.from_pretrained(tmp_path).dtype == dtype


def test_transformers_finds_every_weight(
    model: TrainingLlama, tokenizer_dir: Path, tmp_path: Path
) -> None:
    save_model(model, tokenizer_dir, tmp_path)
    transformers_logging.disable_progress_bar()
    theirs, info = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, output_loading_info=True
    )
    assert type(theirs).__name__ == "LlamaForCausalLM"
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert theirs.lm_head.weight is theirs.model.embed_tokens.weight
    assert theirs.generation_config.eos_token_id == 0
    assert theirs.generation_config.do_sample is False


def test_served_model_knows_its_family_and_orders(
    model: TrainingLlama, tokenizer_dir: Path, tmp_path: Path
) -> None:
    save_model(model, tokenizer_dir, tmp_path)
    loaded = load_model(str(tmp_path), device="cpu")
    assert loaded.family == "fimserve"
    assert loaded.orders == ("psm", "spm", "middle-increment")
    assert loaded.default_order == "spm"
    assert loaded.eos_token_ids == {0}
    assert loaded.config.max_context_tokens == SHAPE.max_tokens
    assert loaded.config.rope.theta == SHAPE.rope_theta
    renderer = Renderer(load_format("fimserve"), TextEncoder.from_file(loaded.encoder_path))
    assert renderer.end_token_id == 0


def test_directory_holds_exactly_what_others_read(
    model: TrainingLlama, tokenizer_dir: Path, tmp_path: Path
) -> None:
    save_model(model, tokenizer_dir, tmp_path / "new" / "model")
    assert sorted(file.name for file in (tmp_path / "new" / "model").iterdir()) == [
        "config.json", "fim.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    config = json.loads((tmp_path / "new" / "model" / "config.json").read_text())
    assert config["tie_word_embeddings"] is True
    assert config["vocab_size"] == SHAPE.vocab_size
