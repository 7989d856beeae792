"""Adapters of mixed rows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fimkernels.ref import lora as ref
from fimkernels.tiles import PADDING, plan_tiles
from fimkernels.triton import lora as kernels
from support.error_rule import DOT_TYPES, check_error

RUNS = [(1, 1), (PADDING, 3), (0, 20), (2, 1), (1, 2)]


@pytest.mark.parametrize("tile_rows", [16, 64])
@pytest.mark.parametrize("dtype", DOT_TYPES)
@pytest.mark.parametrize("sizes", [(64, 96, 8), (123, 77, 5), (300, 160, 40)])
def test_the_error_rule_holds(
    sizes: tuple[int, int, int],
    dtype: torch.dtype,
    tile_rows: int,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    size, num_columns, rank = sizes
    num_rows = sum(length for _, length in RUNS)
    output = torch.randn(num_rows, num_columns, generator=generator).to(dtype)
    x = torch.randn(num_rows, size, generator=generator).to(dtype)
    down = (torch.randn(3, size, rank, generator=generator) / size**0.5).to(dtype)
    up = torch.randn(3, rank, num_columns, generator=generator).to(dtype)
    ranks = torch.tensor([rank, rank - 2, 1], dtype=torch.int32, device=device)
    for adapter, used in enumerate(ranks.tolist()):
        down[adapter, :, used:], up[adapter, used:] = math.nan, math.nan  # nobody reads those
    tiles = torch.tensor(plan_tiles(RUNS, tile_rows), dtype=torch.int32, device=device)
    results: list[Tensor] = []
    for module, kind in ((kernels, dtype), (ref, dtype), (ref, torch.float64)):
        changed = output.clone().to(device, kind)
        factors = (down.to(device, kind), up.to(device, kind), ranks)
        module.add_lora(changed, x.to(device, kind), *factors, tiles, tile_rows)
        results.append(changed)
    check_error(*results)
    assert torch.equal(results[0][1:4].cpu(), output[1:4]), "rows without an adapter changed"


def test_no_tile_changes_nothing(device: torch.device) -> None:
    output = torch.ones(2, 16, device=device)
    factors = torch.ones(1, 16, 16, device=device)
    tiles = torch.zeros(0, 3, dtype=torch.int32, device=device)
    ranks = torch.ones(1, dtype=torch.int32, device=device)
    kernels.add_lora(output, output.clone(), factors, factors, ranks, tiles, 16)
    assert bool((output == 1).all())


def test_an_adapter_of_rank_0_changes_nothing(device: torch.device) -> None:
    output = torch.ones(2, 16, device=device)
    factors = torch.ones(1, 16, 16, device=device)
    tiles = torch.tensor([[0, 0, 2]], dtype=torch.int32, device=device)
    for num_ranks, expected in ((0, 1.0), (1, 17.0)):
        ranks = torch.full((1,), num_ranks, dtype=torch.int32, device=device)
        kernels.add_lora(output, torch.ones_like(output), factors, factors, ranks, tiles, 16)
        assert bool((output == expected).all())
