"""Bias, rotation and storing in one launch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fimkernels.ref import rope as ref
from fimkernels.triton import rope as kernels
from support.error_rule import check_error

NUM_SLOTS = 80
# Heads, key heads, head size; tokens; bias; rotation.
CASES = [
    ((4, 2, 64), 7, True, True),
    ((2, 2, 80), 5, True, True),
    ((5, 1, 96), 3, True, True),
    ((12, 2, 128), 2, False, True),
    ((3, 3, 16), 7, True, False),
    ((4, 2, 64), 0, True, True),
    ((4, 2, 64), 1, False, False),
    pytest.param(((24, 2, 128), 64, True, True), marks=pytest.mark.gpu),
]


def make(
    heads: tuple[int, int, int], num_tokens: int, dtype: torch.dtype, generator: torch.Generator
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], Tensor, Tensor]:
    num_heads, num_kv_heads, head_dim = heads
    size = (num_heads + 2 * num_kv_heads) * head_dim
    projected = torch.randn(num_tokens, size + 8, generator=generator).to(dtype)[:, :size]
    bias = torch.randn(size, generator=generator).to(dtype)
    angles = 6 * torch.rand(num_tokens, head_dim // 2, generator=generator)
    cosines, sines = angles.cos(), angles.sin()
    rotation = (
        torch.cat((cosines, cosines), -1).to(dtype),
        torch.cat((-sines, sines), -1).to(dtype),
    )
    memory = torch.full((2, NUM_SLOTS, num_kv_heads, head_dim), torch.nan, dtype=dtype)
    slots = torch.randperm(NUM_SLOTS, generator=generator)[:num_tokens]
    return projected, bias, rotation, memory, slots


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_the_error_rule_holds(
    case: tuple[tuple[int, int, int], int, bool, bool],
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    heads, num_tokens, has_bias, has_rotation = case
    projected, bias, rotation, memory, slots = make(heads, num_tokens, dtype, generator)
    slots[-1:] = -1  # padding
    results: list[tuple[Tensor, Tensor]] = []
    for module, kind in ((kernels, dtype), (ref, dtype), (ref, torch.float64)):
        stored = memory.clone().to(device, kind)
        queries = module.rotate_and_store(
            projected.to(device, kind),
            bias.to(device, kind) if has_bias else None,
            (rotation[0].to(device, kind), rotation[1].to(device, kind)) if has_rotation else None,
            stored,
            slots.to(device),
            heads[0],
        )
        results.append((queries, stored))
    (out, stored), (plain, plain_stored), (truth, true_stored) = results
    check_error(out, plain, truth)
    written = slots[slots >= 0].to(device)
    check_error(stored[:, written], plain_stored[:, written], true_stored[:, written])
    others = torch.ones(NUM_SLOTS, dtype=torch.bool, device=device)
    others[written] = False
    assert bool(stored[:, others].isnan().all()), "a slot that is nobody's was written"
