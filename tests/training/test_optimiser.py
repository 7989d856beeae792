"""Every weight has one optimiser, rates follow the schedule, state survives a checkpoint."""

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fimtraining.model import ModelShape, TrainingLlama
from fimtraining.optimiser import Optimisers, OptimiserSettings, Schedule

SHAPE = ModelShape(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_layers=2, num_heads=2, num_kv_heads=1,
    max_tokens=32,
)  # fmt: skip


def make_model(seed: int = 1) -> TrainingLlama:
    torch.manual_seed(seed)
    return TrainingLlama(SHAPE)


def groups_of(optimisers: Optimisers) -> list[tuple[str, dict[str, Any]]]:
    return [
        (type(optimiser).__name__, group)
        for optimiser in optimisers._all
        for group in optimiser.param_groups
    ]


def names_of(model: nn.Module, group: dict[str, Any]) -> set[str]:
    members = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in members}


# ---------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_every_weight_is_in_exactly_one_group(matrices: Any) -> None:
    model = make_model()
    optimisers = Optimisers(model, OptimiserSettings(matrices=matrices))
    members = [id(p) for _, group in groups_of(optimisers) for p in group["params"]]
    assert sorted(members) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(("matrices", "kind"), [("muon", "BatchedMuon"), ("adamw", "AdamW")])
def test_matrices_of_the_blocks_decay_and_nothing_else_does(matrices: Any, kind: str) -> None:
    model = make_model()
    settings = OptimiserSettings(matrices=matrices, weight_decay=0.3)
    groups = groups_of(Optimisers(model, settings))
    decaying = [(name, group) for name, group in groups if group["weight_decay"] == 0.3]
    still = [(name, group) for name, group in groups if group["weight_decay"] == 0]
    assert [name for name, _ in decaying] == [kind]
    assert [name for name, _ in still] == ["AdamW"]
    in_blocks = {n for n, p in model.named_parameters() if n.startswith("layers.") and p.ndim == 2}
    assert len(in_blocks) == 7 * SHAPE.num_layers
    assert names_of(model, decaying[0][1]) == in_blocks
    assert "embed_tokens.weight" in names_of(model, still[0][1])


def test_settings_reach_the_optimisers() -> None:
    settings = OptimiserSettings(momentum=0.8, betas=(0.7, 0.9), learning_rate=0.01)
    groups = dict(groups_of(Optimisers(make_model(), settings)))
    assert groups["BatchedMuon"]["momentum"] == 0.8
    assert groups["AdamW"]["betas"] == (0.7, 0.9)
    assert {group["lr"] for group in groups.values()} == {0.01}


# ----------------------------------------------------------------------------------------- steps


def run_backward(model: TrainingLlama, seed: int) -> float:
    ids = torch.randint(50, (33,), generator=torch.Generator().manual_seed(seed))
    borders = torch.tensor([0, 32], dtype=torch.int32)
    loss, _ = model(ids[:-1], ids[1:], torch.arange(32), borders)
    loss.backward()
    return float(loss.detach())


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_steps_lower_the_loss(matrices: Any) -> None:
    model = make_model()
    optimisers = Optimisers(model, OptimiserSettings(matrices=matrices, learning_rate=0.01))
    losses = []
    for _ in range(30):
        losses.append(run_backward(model, seed=1))
        optimisers.step(1.0)
    assert losses[-1] < 0.5 * losses[0]


def test_step_uses_its_share_of_the_peak_rate_and_forgets_the_gradients() -> None:
    model = make_model()
    optimisers = Optimisers(model, OptimiserSettings(learning_rate=0.01))
    run_backward(model, seed=1)
    optimisers.step(0.25)
    assert {group["lr"] for _, group in groups_of(optimisers)} == {0.0025}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_rate_of_zero_changes_nothing() -> None:
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    optimisers = Optimisers(model, OptimiserSettings())
    run_backward(model, seed=1)
    optimisers.step(0.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_stored_state_goes_on_as_if_never_stored(matrices: Any) -> None:
    settings = OptimiserSettings(matrices=matrices)
    model = make_model()
    optimisers = Optimisers(model, settings)
    for seed in range(5):
        run_backward(model, seed)
        optimisers.step(1.0)
    twin = make_model(seed=2)
    twin.load_state_dict(model.state_dict())
    resumed = Optimisers(twin, settings)
    resumed.load_state(copy.deepcopy(optimisers.state()))
    for seed in range(5, 10):
        assert run_backward(model, seed) == run_backward(twin, seed)
        optimisers.step(1.0)
        resumed.step(1.0)
    for left, right in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(left, right)


def test_state_written_with_the_muon_of_torch_is_taken_up() -> None:
    model = make_model()
    settings = OptimiserSettings()
    optimisers = Optimisers(model, settings)
    run_backward(model, seed=1)
    optimisers.step(1.0)
    batched, adamw = optimisers.state()
    matrices = [p for group in optimisers._all[0].param_groups for p in group["params"]]
    before = torch.optim.Muon(
        matrices,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        adjust_lr_fn="match_rms_adamw",
    )
    before.load_state_dict(copy.deepcopy(batched))
    twin = make_model(seed=2)
    twin.load_state_dict(model.state_dict())
    resumed = Optimisers(twin, settings)
    resumed.load_state([before.state_dict(), copy.deepcopy(adamw)])
    run_backward(model, seed=2)
    run_backward(twin, seed=2)
    optimisers.step(1.0)
    resumed.step(1.0)
    for left, right in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(left, right)


def test_state_of_another_kind_is_refused() -> None:
    muon = Optimisers(make_model(), OptimiserSettings(matrices="muon"))
    adamw = Optimisers(make_model(), OptimiserSettings(matrices="adamw"))
    with pytest.raises(ValueError, match="parameter groups"):
        adamw.load_state(muon.state())


# ------------------------------------------------------------------------------------- schedule


def test_rate_warms_up_holds_and_falls() -> None:
    schedule = Schedule(num_steps=100, warmup_steps=10, decay_share=0.2)
    factors = [schedule.factor(step) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10:81] == [1.0] * 71
    assert factors[81:] == pytest.approx([(100 - step) / 20 for step in range(81, 101)])


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(0, 600), st.floats(0, 1))
def test_every_schedule_rises_once_and_ends_at_zero(
    num_steps: int, warmup_steps: int, decay_share: float
) -> None:
    schedule = Schedule(num_steps, warmup_steps, decay_share)
    factors = [schedule.factor(step) for step in range(num_steps + 1)]
    assert all(0 < factor <= 1 for factor in factors[:-1])
    assert factors[-1] == 0
    turns = [right >= left for left, right in pairwise(factors) if right != left]
    assert turns == sorted(turns, reverse=True)


def test_default_schedule_falls_over_the_last_quarter() -> None:
    schedule = Schedule()
    assert schedule.factor(0.75 * 6000) == 1.0  # type: ignore[arg-type]
    assert schedule.factor(5250) == pytest.approx(0.5)
