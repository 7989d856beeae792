"""All matrices of one shape together are updated as `torch.optim.Muon` updates one by one."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fimtraining.batched_muon import BatchedMuon, orthogonalise

Tensors = list[Tensor]

SQUARE, TALL, WIDE = (48, 48), (96, 40), (24, 64)
MIXED = [SQUARE, WIDE, SQUARE, TALL, WIDE, TALL, WIDE, (8, 48)]
COEFFICIENTS, ROUNDS, EPS = (3.4445, -4.7750, 2.0315), 5, 1e-7


def make_weights(shapes: list[tuple[int, int]]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(4)
    return [nn.Parameter(0.1 * torch.randn(shape, generator=generator)) for shape in shapes]


def make_muon(weights: list[nn.Parameter]) -> torch.optim.Muon:
    return torch.optim.Muon(
        weights, lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )


def make_batched(weights: list[nn.Parameter]) -> BatchedMuon:
    return BatchedMuon(weights, lr=0.01, weight_decay=0.1, momentum=0.95)


def run_steps(optimiser: torch.optim.Optimizer, seeds: range) -> None:
    """Step with gradients made from seeds, at a rate that changes as a schedule's does."""
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for group in optimiser.param_groups:
            group["lr"] = 0.01 / (1 + seed % 3)
            for weight in group["params"]:
                weight.grad = torch.randn(weight.shape, generator=generator)
        optimiser.step()


def assert_same_way(found: list[nn.Parameter], wanted: list[nn.Parameter], start: Tensors) -> None:
    """Check that weights came out within 1 % of the way they went: bf16 has 8 bits."""
    for one, other, origin in zip(found, wanted, start, strict=True):
        way = float((other.detach() - origin).norm())
        assert way > 0
        assert float((one - other).detach().norm()) < 0.01 * way, tuple(one.shape)


def momenta_of(optimiser: torch.optim.Optimizer, weights: list[nn.Parameter]) -> Tensors:
    return [optimiser.state[weight]["momentum_buffer"] for weight in weights]


# ------------------------------------------------------------------------------- the slow twin


@pytest.mark.parametrize(
    "shapes",
    [[SQUARE] * 3, [TALL] * 3, [WIDE] * 3, [TALL], MIXED],
    ids=["square", "tall", "wide", "alone", "mixed"],
)
def test_steps_are_those_of_torch(shapes: list[tuple[int, int]]) -> None:
    mine, theirs = make_weights(shapes), make_weights(shapes)
    start = [weight.detach().clone() for weight in mine]
    batched, muon = make_batched(mine), make_muon(theirs)
    run_steps(batched, range(8))
    run_steps(muon, range(8))
    assert_same_way(mine, theirs, start)
    for one, other in zip(momenta_of(batched, mine), momenta_of(muon, theirs), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shape", [SQUARE, TALL, WIDE])
def test_error_is_at_most_twice_that_of_torch(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    matrices = torch.randn(5, *shape, generator=generator)
    truth = torch.stack([newton_schulz(matrix.double()) for matrix in matrices])
    plain = torch.stack(
        [
            torch.optim._muon._zeropower_via_newtonschulz(matrix, COEFFICIENTS, ROUNDS, EPS)
            for matrix in matrices
        ]
    )
    found = orthogonalise(matrices, COEFFICIENTS, ROUNDS, EPS)
    assert found.shape == matrices.shape
    assert float((found - truth).norm()) <= 2 * float((plain - truth).norm())


def newton_schulz(matrix: Tensor) -> Tensor:
    """Return what the rounds give without rounding, through singular values."""
    left, values, right = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(ROUNDS):
        values = linear * values + cubic * values**3 + quintic * values**5
    found: Tensor = left * values @ right
    return found


# --------------------------------------------------------------------------------- one by one


def test_neighbours_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(2)
    matrices = torch.randn(4, *WIDE, generator=generator)
    matrices[1] *= 1e4  # each is scaled by its own norm
    together = orthogonalise(matrices, COEFFICIENTS, ROUNDS, EPS)
    for number in range(4):
        alone = orthogonalise(matrices[number : number + 1], COEFFICIENTS, ROUNDS, EPS)
        torch.testing.assert_close(together[number], alone[0], atol=0.02, rtol=0)


def test_matrix_without_gradient_stays_and_zero_gradient_only_decays() -> None:
    weights = make_weights([SQUARE, SQUARE, WIDE])
    before = [weight.detach().clone() for weight in weights]
    batched = make_batched(weights)
    weights[0].grad = torch.ones(SQUARE)
    weights[2].grad = torch.zeros(WIDE)
    batched.step()
    assert not torch.equal(weights[0], before[0])
    assert torch.equal(weights[1], before[1])
    assert weights[1] not in batched.state
    torch.testing.assert_close(weights[2].detach(), before[2] * (1 - 0.01 * 0.1))


def test_step_without_any_gradient_changes_nothing() -> None:
    weights = make_weights([SQUARE])
    before = weights[0].detach().clone()
    make_batched(weights).step()
    assert torch.equal(weights[0], before)


def test_closure_gives_gradients_and_its_loss() -> None:
    weights = make_weights([SQUARE])
    batched = make_batched(weights)

    def measure() -> Tensor:
        batched.zero_grad()
        loss = weights[0].square().sum()
        torch.autograd.backward(loss)
        return loss.detach()

    losses = [float(batched.step(measure)) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


class CountOperations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what torch is asked for while it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_more_matrices_of_a_shape_take_no_more_operations() -> None:
    counts = []
    for number in (2, 12):
        batched = make_batched(make_weights([SQUARE, TALL] * number))
        run_steps(batched, range(1))  # the first step lays out the momenta
        with CountOperations() as counted:
            batched.step()
        counts.append(counted.count)
    assert counts[0] == counts[1] > 0


# --------------------------------------------------------------------------------------- state


def test_state_is_laid_out_as_that_of_torch() -> None:
    mine, theirs = make_weights(MIXED), make_weights(MIXED)
    batched, muon = make_batched(mine), make_muon(theirs)
    run_steps(batched, range(1))
    run_steps(muon, range(1))
    one, other = batched.state_dict(), muon.state_dict()
    assert one["param_groups"] == other["param_groups"]
    assert {n: set(values) for n, values in one["state"].items()} == {
        n: set(values) for n, values in other["state"].items()
    }


@pytest.mark.parametrize("is_mine_first", [True, False])
def test_each_goes_on_from_what_the_other_wrote(is_mine_first: bool, tmp_path: Path) -> None:
    makers = (make_batched, make_muon) if is_mine_first else (make_muon, make_batched)
    weights = make_weights(MIXED)
    writer = makers[0](weights)
    run_steps(writer, range(4))
    torch.save(writer.state_dict(), tmp_path / "state.pt")
    middle = [weight.detach().clone() for weight in weights]
    twins = [nn.Parameter(weight.detach().clone()) for weight in weights]
    reader = makers[1](twins)
    reader.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    run_steps(writer, range(4, 8))
    run_steps(reader, range(4, 8))
    assert_same_way(twins, weights, middle)


def test_resumed_steps_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    weights = make_weights(MIXED)
    batched = make_batched(weights)
    run_steps(batched, range(4))
    torch.save(batched.state_dict(), tmp_path / "state.pt")
    twins = copy.deepcopy(weights)
    resumed = make_batched(twins)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    run_steps(batched, range(4, 8))
    run_steps(resumed, range(4, 8))
    assert all(torch.equal(one, other) for one, other in zip(weights, twins, strict=True))
