"""A point on the line between two models: either end at 0 and 1, the mean in the middle."""

from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from fimtraining.average import average, main
from fimtraining.export import load_weights, save_model
from fimtraining.model import ModelShape, TrainingLlama

SHAPE = ModelShape(
    vocab_size=64, hidden_size=32, intermediate_size=48, num_layers=1, num_heads=2, num_kv_heads=1,
    max_tokens=64,
)  # fmt: skip


def make_models() -> tuple[TrainingLlama, TrainingLlama]:
    torch.manual_seed(0)
    return TrainingLlama(SHAPE), TrainingLlama(SHAPE)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_moves_by_the_share(share: float) -> None:
    first, second = make_models()
    before = {name: weight.clone() for name, weight in first.state_dict().items()}
    average(first, second, share)
    for name, weight in second.state_dict().items():
        expected = (1 - share) * before[name] + share * weight
        torch.testing.assert_close(first.state_dict()[name], expected)


def test_command_writes_a_directory_that_loads(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    models = make_models()
    for name, model in zip(("a", "b"), models, strict=True):
        save_model(model, tmp_path, tmp_path / name, torch.float32)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "tiny"\n[model]\n'
        + "".join(
            f"{key} = {getattr(SHAPE, key)}\n"
            for key in SHAPE.__slots__
            if not key.startswith("_") and key != "norm_eps"
        )
    )
    app = typer.Typer()
    app.command()(main)
    arguments = ["a", "b", "--recipe", "recipe.toml", "--share", "0.5", "--out", "c"]
    paths = [str(tmp_path / a) if a in {"a", "b", "c", "recipe.toml"} else a for a in arguments]
    done = CliRunner().invoke(app, paths)
    assert done.exit_code == 0, done.output
    middle = TrainingLlama(SHAPE)
    load_weights(tmp_path / "c", middle)
    average(*models, 0.5)
    for name, weight in models[0].state_dict().items():
        expected = weight.to(torch.bfloat16).float()
        torch.testing.assert_close(middle.state_dict()[name], expected)
