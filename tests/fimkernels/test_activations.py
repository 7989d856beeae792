"""SwiGLU and GELU."""

from __future__ import annotations

import pytest
import torch

from fimkernels.ref import activations as ref
from fimkernels.triton import activations as kernels
from support.error_rule import check_error

# e^x is infinite where the result is zero; only the interpreter mentions it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")

SHAPES = [(1, 64), (5, 246), (2, 2600), (0, 64), pytest.param((64, 11008), marks=pytest.mark.gpu)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["silu_and_multiply", "gelu_tanh"])
def test_the_error_rule_holds(
    name: str,
    shape: tuple[int, int],
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    x = (3 * torch.randn(shape[0], shape[1] + 8, generator=generator)).to(dtype).to(device)
    x = x[:, : shape[1]]
    out = getattr(kernels, name)(x)
    check_error(out, getattr(ref, name)(x), getattr(ref, name)(x.double()))


@pytest.mark.parametrize("value", [-1e4, -100.0, 100.0, 1e4])
def test_large_values_do_not_overflow(value: float, device: torch.device) -> None:
    x = torch.full((1, 16), value, device=device)
    torch.testing.assert_close(kernels.gelu_tanh(x), ref.gelu_tanh(x))
    torch.testing.assert_close(kernels.silu_and_multiply(x), ref.silu_and_multiply(x))
