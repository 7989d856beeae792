"""Products of few rows with dense and quantised weights, and what follows them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fimkernels.packed_weight import Form, PackedWeight, quantise_weight, unpack_weight
from fimkernels.ref import matmul as ref
from fimkernels.ref.matmul import Activation
from fimkernels.triton import matmul as kernels
from fimkernels.tuning import Launch, find_table
from support.error_rule import DOT_TYPES, check_error

# e^x is infinite where the result is zero; only the interpreter mentions it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")

FORMS: list[tuple[Form, int | None]] = [
    ("dense", None),
    ("int8", None),
    ("int8", 32),
    ("fp8", None),
    ("fp8", 64),
    ("int4", 32),
    ("int4", 64),
]


def widen(weight: PackedWeight) -> PackedWeight:
    """Return the same matrix for a computation in fp64."""
    if weight.scales is None:
        return replace(weight, codes=weight.codes.double())
    return replace(weight, scales=weight.scales.double())


def check(
    x: Tensor,
    weight: PackedWeight,
    bias: Tensor | None,
    activation: Activation,
    residual: Tensor | None,
) -> None:
    out = kernels.multiply(x, weight, bias, activation, residual)
    plain = ref.multiply(x, weight, bias, activation, residual)
    truth = ref.multiply(
        x.double(),
        widen(weight),
        None if bias is None else bias.double(),
        activation,
        None if residual is None else residual.double(),
    )
    check_error(out, plain, truth)


def make_weight(
    form: Form, group: int | None, shape: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> PackedWeight:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(shape, generator=generator).to(dtype).to(device)
    return quantise_weight(weight, form, group)


@pytest.mark.parametrize("dtype", DOT_TYPES)
@pytest.mark.parametrize(("num_rows", "num_splits"), [(1, 1), (5, 3)])
@pytest.mark.parametrize(("form", "group"), FORMS)
def test_the_error_rule_holds(
    form: Form,
    group: int | None,
    num_rows: int,
    num_splits: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    size, rows = 192, 42
    weight = make_weight(form, group, (rows, size), dtype, device)
    x = torch.randn(num_rows, size + 8, generator=generator).to(device, dtype)[:, :size]
    bias = torch.randn(rows, generator=generator).to(device, dtype)
    residual = torch.randn(num_rows, rows, generator=generator).to(device, dtype)
    launch = Launch(block_n=32, block_k=64, num_splits=num_splits)
    with find_table().on_trial("multiply", launch):
        check(x, weight, bias, "gelu", residual)
        check(x, weight, bias, "swiglu", None)


@pytest.mark.parametrize("dtype", DOT_TYPES)  # the interpreter cuts bf16 where a card rounds it
@pytest.mark.parametrize("is_layer", [False, True])
@pytest.mark.parametrize(("form", "block_k"), [("dense", 256), ("dense", 64), ("int4", 64)])
def test_a_norm_in_front_of_one_row(
    form: Form,
    block_k: int,
    is_layer: bool,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    size, rows = 192, 42
    weight = make_weight(form, 64 if form == "int4" else None, (rows, size), dtype, device)
    x = (3 + 2 * torch.randn(1, size, generator=generator)).to(device, dtype)
    gain = torch.randn(size, generator=generator).to(device, dtype)
    shift = torch.randn(size, generator=generator).to(device, dtype) if is_layer else None
    norm = ref.NormOf(gain, shift, 1e-5)
    true_norm = ref.NormOf(gain.double(), None if shift is None else shift.double(), 1e-5)
    residual = torch.randn(1, rows, generator=generator).to(device, dtype)
    with find_table().on_trial("multiply", Launch(block_n=4, block_k=block_k)):
        out = kernels.multiply(x, weight, None, "none", residual, norm)
    plain = ref.multiply(x, weight, None, "none", residual, norm)
    truth = ref.multiply(x.double(), widen(weight), None, "none", residual.double(), true_norm)
    check_error(out, plain, truth)


def test_a_norm_in_front_of_more_rows_is_refused(device: torch.device) -> None:
    weight = make_weight("dense", None, (16, 32), torch.float32, device)
    norm = ref.NormOf(torch.ones(32, device=device), None, 1e-5)
    with pytest.raises(ValueError, match="2 rows; the norm in front is computed for one only"):
        kernels.multiply(torch.zeros(2, 32, device=device), weight, norm=norm)


@pytest.mark.parametrize("form", ["dense", "int8", "fp8"])
@pytest.mark.parametrize(("num_rows", "num_splits"), [(1, 2), (5, 1)])
def test_odd_sizes(
    num_rows: int,
    num_splits: int,
    form: Form,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    weight = make_weight(form, None, (123, 123), torch.float32, device)
    x = torch.randn(num_rows, 123, generator=generator).to(device)
    with find_table().on_trial("multiply", Launch(32, 64, num_splits)):
        check(x, weight, None, "none", None)


def test_no_rows_and_too_many(device: torch.device) -> None:
    weight = make_weight("dense", None, (16, 32), torch.float32, device)
    assert kernels.multiply(torch.zeros(0, 32, device=device), weight).shape == (0, 16)
    with pytest.raises(ValueError, match="65 rows; these kernels take at most 64"):
        kernels.multiply(torch.zeros(65, 32, device=device), weight)


@pytest.mark.parametrize(("form", "step"), [("int8", 0.5), ("fp8", 8.0), ("int4", 0.5)])
def test_packing_rounds_by_half_a_step_at_most(form: Form, step: float) -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(6, 128, generator=generator)
    weight[2] = 0.0
    packed = quantise_weight(weight, form, 32)
    assert packed.scales is not None
    assert packed.scales.shape == (6, 4)
    error = (unpack_weight(packed, torch.float32) - weight).abs()
    allowed = packed.scales.repeat_interleave(32, 1) * step
    if form == "fp8":  # half a step of three mantissa bits
        allowed = torch.maximum(weight.abs() / 16, packed.scales.repeat_interleave(32, 1) * 2**-9)
    assert bool((error <= allowed * 1.001).all())


def test_int4_takes_half_a_byte() -> None:
    packed = quantise_weight(torch.randn(8, 256), "int4", 128)
    assert packed.num_bytes == 8 * 128 + 8 * 2 * 4


@pytest.mark.parametrize(("form", "group"), [("int8", 48), ("int4", 5)])
def test_a_group_that_does_not_fit_is_refused(form: Form, group: int) -> None:
    with pytest.raises(ValueError, match=f"group is {group}"):
        quantise_weight(torch.randn(4, 64), form, group)


def test_a_group_no_kernel_takes_is_refused(device: torch.device) -> None:
    weight = make_weight("int4", 96, (16, 192), torch.float32, device)
    with pytest.raises(ValueError, match="group is 96"):
        kernels.multiply(torch.zeros(1, 192, device=device), weight)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DOT_TYPES)
@pytest.mark.parametrize("num_rows", [1, 2, 16, 33, 64])
@pytest.mark.parametrize(("form", "group"), [*FORMS, ("int4", 128), ("int8", 128)])
@pytest.mark.parametrize("shape", [(6144, 2048), (2048, 5504), (32256, 2048), (3072, 12288)])
def test_the_error_rule_holds_on_served_shapes(
    shape: tuple[int, int],
    form: Form,
    group: int | None,
    num_rows: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    if group is not None and shape[1] % group:
        pytest.skip(f"{group} does not divide {shape[1]}")
    weight = make_weight(form, group, shape, dtype, device)
    x = torch.randn(num_rows, shape[1], generator=generator).to(device, dtype)
    bias = torch.randn(shape[0], generator=generator).to(device, dtype)
    check(x, weight, bias, "none", None)
    check(x, weight, bias, "swiglu", None)
