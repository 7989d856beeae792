"""A checkpoint is the old file or the new one, and fits another number of streams."""

from pathlib import Path

import pytest
import torch

from fimtraining.checkpoint import RunState, fit_positions, save_checkpoint
from fimtraining.model import TrainingLlama
from fimtraining.optimiser import Optimisers
from fimtraining.process import Process
from fimtraining.recipe import PretrainRecipe

ALONE = Process(0, 1, torch.device("cpu"))


def test_positions_fit_another_number_of_streams() -> None:
    assert fit_positions({0: 5, 1: 6}, 2, 2) == {0: 5, 1: 6}
    assert fit_positions({0: 5, 1: 6}, 2, 4) == {0: 3, 1: 3, 2: 3, 3: 3}
    assert fit_positions({0: 5, 1: 6}, 2, 1) == {0: 12}
    assert fit_positions({}, 2, 4) == {}


def test_checkpoint_is_written_beside_and_then_renamed(
    recipe: PretrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = TrainingLlama(recipe.model)
    optimisers = Optimisers(model, recipe.optimiser)
    (tmp_path / "run").mkdir()
    target = tmp_path / "run" / "checkpoint.pt"
    target.write_bytes(b"old")
    written: list[tuple[Path, bytes]] = []
    save = torch.save

    def watch(value: object, path: Path) -> None:
        save(value, path)
        written.append((path, target.read_bytes()))

    monkeypatch.setattr(torch, "save", watch)
    state = RunState(step=7, positions={0: 5})
    save_checkpoint(target, model, optimisers, state, ALONE)
    assert written[0][0].parent == target.parent
    assert written[0][1] == b"old"
    assert [file.name for file in target.parent.iterdir()] == ["checkpoint.pt"]
    saved = torch.load(target, weights_only=True)
    assert (saved["step"], saved["positions"]) == (7, {0: 5})
