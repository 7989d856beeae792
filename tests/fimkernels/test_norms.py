"""Norms with the residual added first."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fimkernels.ref import norms as ref
from fimkernels.triton import norms as kernels
from support.error_rule import check_error

SHAPES = [(1, 64), (5, 123), (3, 640), (0, 64), pytest.param((64, 2048), marks=pytest.mark.gpu)]


def make(shape: tuple[int, int], dtype: torch.dtype, generator: torch.Generator) -> list[Tensor]:
    rows, size = shape
    # Rows of a wider tensor: strides are not what the width says.
    wide = torch.randn(2, rows, size + 8, generator=generator).to(dtype)
    x, residual = wide[:, :, :size]
    weight, bias = (1 + torch.randn(2, size, generator=generator) / 4).to(dtype)
    return [x, residual, weight, bias]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("with_residual", [True, False])
@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_the_error_rule_holds(
    kind: str,
    with_residual: bool,
    shape: tuple[int, int],
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    x, residual, weight, bias = (one.to(device) for one in make(shape, dtype, generator))
    parts = (weight,) if kind == "rms" else (weight, bias)
    added = residual if with_residual else None
    name = f"add_{kind}_norm"
    normed, total = getattr(kernels, name)(x, added, *parts, 1e-5)
    plain = getattr(ref, name)(x, added, *parts, 1e-5)
    wide = [None if one is None else one.double() for one in (x, added, *parts)]
    truth = getattr(ref, name)(*wide, 1e-5)
    check_error(normed, plain[0], truth[0])
    check_error(total, plain[1], truth[1])


def test_the_last_column_counts(device: torch.device) -> None:
    x = torch.zeros(1, 123, device=device)
    x[0, -1] = 3.0
    normed, _ = kernels.add_rms_norm(x, None, torch.ones(123, device=device), 0.0)
    assert normed[0, -1].item() == pytest.approx(123**0.5)
