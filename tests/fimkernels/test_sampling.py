"""Sampling on the device: the same rules as the reference, and as the engine's own sampler."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fimkernels.ref import sampling as ref
from fimkernels.triton import sampling as kernels

# e^x is infinite where the result is zero; only the interpreter mentions it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")

NUM_ROWS = 2


def make_knobs(num_rows: int, device: torch.device, **values: float) -> list[Tensor]:
    """Return temperatures, top_ks, top_ps, min_ps and numbers of some rows."""
    names = {"temperature": 0.0, "top_k": 0.0, "top_p": 1.0, "min_p": 0.0} | values
    knobs = [torch.full((num_rows,), value, device=device) for value in names.values()]
    knobs[1] = knobs[1].to(torch.int32)
    numbers = torch.linspace(0.02, 0.98, num_rows).to(device)
    return [*knobs, numbers]


def make_scores(size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    wide = 3 * torch.randn(NUM_ROWS, size + 5, generator=generator)
    return wide.to(device)[:, :size]


CASES: list[tuple[dict[str, float], bool]] = [
    ({}, False),
    ({}, True),
    ({"temperature": 0.8}, True),
    ({"temperature": 1.3, "top_k": 5}, False),
    ({"temperature": 1.0, "top_p": 0.7}, True),
    ({"temperature": 2.0, "min_p": 0.2}, False),
    ({"temperature": 0.9, "top_k": 20, "top_p": 0.9, "min_p": 0.01}, True),
    ({"temperature": 1e-30}, False),
]


@pytest.mark.parametrize("size", [203, pytest.param(49152, marks=pytest.mark.gpu)])
@pytest.mark.parametrize(("knobs", "with_mask"), CASES)
def test_the_choice_is_the_references(
    knobs: dict[str, float],
    with_mask: bool,
    size: int,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    scores = make_scores(size, generator, device)
    mask = None
    if with_mask:
        allowed = torch.rand(NUM_ROWS, size, generator=generator) < 0.3
        allowed[:, 7] = True
        allowed[0] = False
        allowed[0, size - 1] = True
        mask = ref.pack_mask(allowed).to(device)
    operands = (mask, *make_knobs(NUM_ROWS, device, **knobs))
    ids, logprobs = kernels.sample(scores, *operands)
    expected_ids, expected_logprobs = ref.sample(scores, *operands)
    assert ids.tolist() == expected_ids.tolist()
    torch.testing.assert_close(logprobs, expected_logprobs)
    if with_mask:
        assert all(allowed[row, token] for row, token in enumerate(ids.tolist()))


def test_equal_scores_give_the_lowest_id(device: torch.device) -> None:
    scores = torch.zeros(3, 100, device=device)
    scores[1, 40:60] = 2.0
    scores[2, 99] = 1.0
    ids, _ = kernels.sample(scores, None, *make_knobs(3, device))
    assert ids.tolist() == [0, 40, 99]


def test_minus_infinity_is_never_drawn(device: torch.device) -> None:
    scores = torch.full((4, 70), -torch.inf, device=device)
    scores[:, 33] = 0.0
    scores[:, 66] = 0.0
    ids, _ = kernels.sample(scores, None, *make_knobs(4, device, temperature=1.0))
    assert set(ids.tolist()) == {33, 66}


def test_draws_follow_the_probabilities(device: torch.device) -> None:
    probabilities = torch.tensor([0.5, 0.1, 0.15, 0.25])
    scores = probabilities.log().expand(20, 4).contiguous().to(device)
    knobs = make_knobs(20, device, temperature=1.0)
    knobs[-1] = ((torch.arange(20) + 0.5) / 20).to(device)
    ids, _ = kernels.sample(scores, None, *knobs)
    assert ids.bincount(minlength=4).tolist() == [10, 2, 3, 5]


def test_a_mask_of_bits_is_read_back() -> None:
    allowed = torch.rand(3, 77) < 0.5
    assert torch.equal(ref.unpack_mask(ref.pack_mask(allowed), 77), allowed)
