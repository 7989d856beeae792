"""A saved model is measured as its run measured it, quantised or not."""

import json
from pathlib import Path

import pytest
import torch
import typer
from tokenizers import Tokenizer
from typer.testing import CliRunner

from fimserve.models import quantise_checkpoint
from fimtraining import validate
from fimtraining.export import load_weights, save_model
from fimtraining.model import TrainingLlama
from fimtraining.packing import Batch
from fimtraining.pretrain import train
from fimtraining.process import Process
from fimtraining.recipe import load_recipe


@pytest.fixture
def model(recipe_file: Path) -> TrainingLlama:
    torch.manual_seed(1)
    return TrainingLlama(load_recipe(recipe_file, []).model)


def test_weights_come_back(model: TrainingLlama, tokenizer_dir: Path, tmp_path: Path) -> None:
    save_model(model, tokenizer_dir, tmp_path, torch.float32)
    twin = TrainingLlama(model.shape)
    load_weights(tmp_path, twin)
    for name, weight in model.state_dict().items():
        assert torch.equal(twin.state_dict()[name], weight), name


def test_quantised_weights_come_back_multiplied_out(
    model: TrainingLlama, tokenizer_dir: Path, tmp_path: Path
) -> None:
    save_model(model, tokenizer_dir, tmp_path / "plain", torch.float32)
    quantise_checkpoint(tmp_path / "plain", tmp_path / "int8")
    twin = TrainingLlama(model.shape)
    load_weights(tmp_path / "int8", twin)
    for name, weight in model.state_dict().items():
        step = weight.abs().amax(-1, keepdim=True) / 127
        assert bool(((twin.state_dict()[name] - weight).abs() <= 0.51 * step).all()), name


def test_command_finds_the_loss_that_the_run_logged(
    recipe_file: Path, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(recipe_file, ["schedule.num_steps=20"])
    train(
        recipe, corpus_dir, tokenizer_dir, tmp_path,
        num_workers=0, resume=False, stop_after_s=1e9, process=Process(0, 1, torch.device("cpu")),
    )  # fmt: skip
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    app = typer.Typer()
    app.command()(validate.main)
    arguments = [str(tmp_path / "model"), "--corpus", str(corpus_dir), "--recipe", str(recipe_file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.output.splitlines()[-1])
    assert printed["model"] == "model"
    per_byte = printed["validation_nats_per_byte"]
    ratios = {
        name: loss / per_byte[name] for name, loss in printed["validation_nats_per_token"].items()
    }
    assert all(1 < ratio < 6 for ratio in ratios.values())
    logged = {language: last[f"validation/{language}"] for language in ("go", "python")}
    assert printed["validation_nats_per_token"] == pytest.approx(logged, abs=0.01)


def test_bytes_are_those_of_the_text(tokenizer_dir: Path) -> None:
    tokenizer = tokenizer_dir / "tokenizer.json"
    text = "def größe(x):\n    return x + 1\n"
    ids = Tokenizer.from_file(str(tokenizer)).encode(text, add_special_tokens=False).ids
    targets = torch.tensor([*ids, 0, -100])  # the end token has no bytes, padding does not count
    weights = torch.tensor([1.0] * (len(ids) + 1) + [0.0])
    batch = Batch(targets, targets, targets, targets, weights, weights, {})
    found = validate.count_bytes(batch, tokenizer) * (len(ids) + 1)
    assert found == pytest.approx(len(text.encode()))
