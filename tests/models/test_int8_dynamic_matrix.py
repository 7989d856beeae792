"""Integer products are exact, whatever rows go together and in whichever order codes lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fimserve.models import int8_dynamic_matrix, load_model
from fimserve.models.int8_codes import quantise_matrix
from fimserve.models.int8_dynamic_matrix import Int8DynamicMatrix
from fimserve.models.placement import CPU_INT8_FLAGS, read_cpu_flags
from support.parity import compute_logits, make_ids

pytestmark = pytest.mark.skipif(
    not CPU_INT8_FLAGS & read_cpu_flags(), reason="needs a CPU with VNNI or AMX"
)


def make_matrix(num_rows: int, num_columns: int, first_blocked: int) -> Int8DynamicMatrix:
    weight = torch.randn(num_rows, num_columns, generator=torch.Generator().manual_seed(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8_dynamic_matrix, "BLOCKED_FROM_ROWS", first_blocked)
        return Int8DynamicMatrix(*quantise_matrix(weight))


def make_rows(num_rows: int, num_columns: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    sizes = torch.logspace(-3, 3, num_rows)[:, None]  # each row has a scale of its own
    return torch.randn(num_rows, num_columns, generator=generator) * sizes


@given(st.integers(1, 80), st.integers(2, 80), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_both_orders_give_every_row_what_it_gets_alone(
    num_out: int, num_in: int, num_rows: int
) -> None:
    plain = make_matrix(num_out, num_in, first_blocked=1000)
    blocked = make_matrix(num_out, num_in, first_blocked=1)
    rows = make_rows(num_rows, num_in)
    alone = torch.cat([plain.multiply(row[None], None) for row in rows])
    assert torch.equal(plain.multiply(rows, None), alone)
    assert torch.equal(blocked.multiply(rows, None), alone)


@pytest.mark.parametrize("first_blocked", [1, 1000], ids=["blocked", "plain"])
def test_the_product_is_that_of_the_rounded_numbers(first_blocked: int) -> None:
    matrix = make_matrix(200, 1792, first_blocked)
    rows, bias = make_rows(9, 1792), torch.arange(200.0)
    scales = rows.double().abs().amax(-1, True) / 127
    rounded = (rows.double() / scales).round() * scales
    expected = rounded @ (matrix.codes.double() * matrix.scales.double()).t() + bias.double()
    difference = (matrix.multiply(rows, bias).double() - expected).abs().amax(-1)
    assert (difference < 1e-5 * expected.abs().amax(-1)).all()


def test_rows_of_zeros_and_further_axes_are_fine() -> None:
    matrix = make_matrix(7, 5, 16)
    rows = make_rows(6, 5)
    rows[2] = 0
    product = matrix.multiply(rows, None)
    assert (product[2] == 0).all()
    assert torch.equal(matrix.multiply(rows.view(2, 3, 5), None), product.view(2, 3, 7))


def test_logits_do_not_depend_on_the_rows_of_a_step(tiny_directory: Path) -> None:
    model = load_model(str(tiny_directory), "cpu", "int8-dynamic").model
    with torch.inference_mode():
        whole, single = (compute_logits(model, make_ids(), chunk) for chunk in (70, 1))
    # Attention alone sums in another order; a code may fall on its other side now and then.
    assert (whole - single).abs().max() < 0.05 * whole.std()
