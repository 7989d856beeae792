"""The horizon counts down over a middle, the teacher pulls, neither touches the model served."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from fimtraining.examples import ExampleMix
from fimtraining.export import save_model
from fimtraining.model import TrainingLlama
from fimtraining.objective import Objective, ObjectiveSettings, make_horizons
from fimtraining.optimiser import Optimisers, OptimiserSettings
from fimtraining.packing import Batch, Corpus, PackedRows, collate
from fimtraining.pretrain import train
from fimtraining.process import Process
from fimtraining.recipe import PretrainRecipe, RecipeError, load_recipe

ALONE = Process(0, 1, torch.device("cpu"))
SHORT = ExampleMix(fim_rate=1.0, path_rate=0.0, repository_rate=0.0, windows={"60": 1.0})
"""Holes that fit into the rows of the tiny recipe."""


@pytest.fixture
def recipe(recipe_file: Path) -> PretrainRecipe:
    return load_recipe(recipe_file, [])


@pytest.fixture
def batch(corpus_dir: Path, tokenizer_dir: Path) -> Batch:
    rows = PackedRows(
        Corpus(corpus_dir, "train"), tokenizer_dir / "tokenizer.json", SHORT, row_tokens=64, seed=1
    )
    return collate(list(islice(rows, 12)), max_examples=60)


def make_models(recipe: PretrainRecipe) -> tuple[TrainingLlama, TrainingLlama]:
    torch.manual_seed(1)
    small = TrainingLlama(recipe.model)
    return small, TrainingLlama(replace(recipe.model, hidden_size=24, num_heads=3, num_layers=2))


# ------------------------------------------------------------------------------------- horizons


def test_horizon_counts_down_to_the_end_token() -> None:
    answer = torch.tensor([False, False, True, True, True, True, False, True, True, False, False])
    found = make_horizons(answer, torch.tensor([6, 3, 2]))
    expected = [-1, 1.0, 0.75, 0.5, 0.25, -1, 1.0, 0.5, -1, -1, -1]
    assert found.tolist() == pytest.approx(expected)


def test_horizon_is_asked_where_an_answer_token_comes_next(batch: Batch) -> None:
    asked = batch.horizons >= 0
    assert asked.sum() > 50
    assert bool((batch.targets[asked] >= 0).all())
    ends = asked & (batch.targets == 0)
    # An end token is the last of its middle: as much is to come as one of its tokens is of it.
    assert float(batch.horizons[ends].median()) < 0.1
    assert float(batch.horizons.max()) == 1.0


# -------------------------------------------------------------------------------------- the loss


def test_without_additions_the_loss_is_the_models_own(recipe: PretrainRecipe, batch: Batch) -> None:
    model, _ = make_models(recipe)
    objective = Objective(model, ObjectiveSettings(horizon_weight=0.1), None)
    with torch.no_grad():  # validation
        assert torch.equal(objective(*batch[:6])[0], model(*batch[:5])[0])


def test_horizon_adds_its_mean_error(recipe: PretrainRecipe, batch: Batch) -> None:
    model, _ = make_models(recipe)
    objective = Objective(model, ObjectiveSettings(horizon_weight=0.1), None)
    asked = batch.horizons >= 0
    error = (batch.horizons[asked] - 0.5).abs().mean()  # an untrained head says a half
    added = objective(*batch[:6])[0] - model(*batch[:5])[0]
    assert added.item() == pytest.approx(0.1 * error.item(), abs=1e-5)


def test_a_student_like_its_teacher_has_nothing_to_learn_from_it(
    recipe: PretrainRecipe, batch: Batch
) -> None:
    model, _ = make_models(recipe)
    twin = TrainingLlama(recipe.model)
    twin.load_state_dict(model.state_dict())
    objective = Objective(model, ObjectiveSettings(teacher_share=1.0), twin)
    assert objective(*batch[:6])[0].item() == pytest.approx(0.0, abs=1e-5)


def test_share_mixes_text_and_teacher(recipe: PretrainRecipe, batch: Batch) -> None:
    model, teacher = make_models(recipe)
    losses = [
        Objective(model, ObjectiveSettings(teacher_share=share), teacher)(*batch[:6])[0].item()
        for share in (0.0, 0.5, 1.0)
    ]
    assert losses[1] == pytest.approx((losses[0] + losses[2]) / 2, abs=1e-4)
    assert losses[2] > 0


def test_only_the_student_and_the_head_are_trained(recipe: PretrainRecipe, batch: Batch) -> None:
    model, teacher = make_models(recipe)
    settings = ObjectiveSettings(horizon_weight=0.1, teacher_share=0.5)
    objective = Objective(model, settings, teacher)
    assert objective.horizon_head is not None
    before = [weight.clone() for weight in teacher.parameters()]
    head = objective.horizon_head.weight.clone()
    optimisers = Optimisers(objective, OptimiserSettings(learning_rate=0.01))
    objective(*batch[:6])[0].backward()
    optimisers.step(1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))
    assert not torch.equal(head, objective.horizon_head.weight)
    assert "embed_tokens.weight" in model.state_dict()
    assert not any("horizon" in name or "teacher" in name for name in model.state_dict())


# --------------------------------------------------------------------------------------- the run


Run = Callable[..., float]


@pytest.fixture
def run(recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path) -> Run:
    """Train a run of some settings and return its last validation loss of Python."""

    def call(objective: ObjectiveSettings, **arguments: Any) -> float:
        directory = tmp_path / f"run-{objective.horizon_weight}-{objective.teacher_share}"
        directory.mkdir(exist_ok=True)
        settings: dict[str, Any] = {"num_workers": 0, "resume": False, "stop_after_s": 1e9}
        train(
            replace(recipe, objective=objective, mix=SHORT), corpus_dir, tokenizer_dir, directory,
            process=ALONE, **(settings | arguments),
        )  # fmt: skip
        lines = (directory / "metrics.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines if "validation/python" in line]
        return float(rows[-1]["validation/python"])

    return call


@pytest.fixture
def teacher_dir(recipe: PretrainRecipe, tokenizer_dir: Path, tmp_path: Path) -> Path:
    save_model(make_models(recipe)[1], tokenizer_dir, tmp_path / "teacher")
    return tmp_path / "teacher"


def test_runs_with_a_head_or_a_teacher_learn(run: Run, teacher_dir: Path) -> None:
    assert run(ObjectiveSettings(horizon_weight=0.1)) < 5.0
    pulled = ObjectiveSettings(teacher_share=0.2, teacher="big")
    assert run(pulled, teacher_dir=teacher_dir) < 5.5


def test_head_survives_a_stop(run: Run, tmp_path: Path) -> None:
    run(ObjectiveSettings(horizon_weight=0.1), stop_after_s=0)
    checkpoint = tmp_path / "run-0.1-0.0" / "checkpoint.pt"
    head = torch.load(checkpoint, weights_only=True)["horizon_head"]
    assert float(head["weight"].abs().max()) > 0
    run(ObjectiveSettings(horizon_weight=0.1), resume=True)
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["step"] == 60


def test_recipe_and_command_must_agree_on_the_teacher(run: Run, teacher_dir: Path) -> None:
    with pytest.raises(RecipeError, match="both or neither"):
        run(ObjectiveSettings(teacher_share=0.5))
    with pytest.raises(RecipeError, match="both or neither"):
        run(ObjectiveSettings(), teacher_dir=teacher_dir)
