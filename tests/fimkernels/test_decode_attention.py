"""Decoded tokens from their projection to what they gather, and what is stored on the way."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fimkernels.ref import decode_attention as ref
from fimkernels.tiles import PADDING, plan_tiles
from fimkernels.triton import decode_attention as kernels
from fimkernels.tuning import Launch, find_table
from support.error_rule import check_error

BLOCK_TOKENS = 8


@dataclass(frozen=True)
class Shape:
    """Holds heads, what each sequence has behind it, and what the layer has."""

    num_heads: int
    head_dim: int
    contexts: tuple[int, ...]
    window: int | None = None
    num_padding: int = 0
    has_bias: bool = False
    has_rotation: bool = True


SHAPES = [
    Shape(3, 64, (70, 3)),
    Shape(2, 80, (0, 41), num_padding=1, has_bias=True),
    Shape(2, 16, (100,), window=30, has_rotation=False),
    Shape(2, 128, (63,), has_bias=True),
    pytest.param(Shape(16, 128, (2047, 1500)), marks=pytest.mark.gpu),
]


@dataclass
class Operands:
    projected: Tensor
    bias: Tensor
    rotation: tuple[Tensor, Tensor]
    memory: Tensor
    slots: Tensor
    positions: Tensor
    tables: Tensor
    tiles: Tensor


def make(shape: Shape, generator: torch.Generator) -> Operands:
    """Return operands whose pool is NaN wherever no token was written before this step."""
    count = len(shape.contexts) + shape.num_padding
    max_blocks = max(shape.contexts) // BLOCK_TOKENS + 1
    num_blocks = len(shape.contexts) * max_blocks
    tables = torch.randperm(num_blocks, generator=generator).view(-1, max_blocks)
    heads = (shape.num_heads, shape.head_dim)
    memory = torch.full((2, num_blocks * BLOCK_TOKENS, *heads), torch.nan)
    slots = torch.full((count,), -1)
    for number, (blocks, context) in enumerate(zip(tables, shape.contexts, strict=True)):
        place = torch.arange(context + 1)
        where = blocks[place // BLOCK_TOKENS] * BLOCK_TOKENS + place % BLOCK_TOKENS
        memory[:, where[:-1]] = torch.randn(2, context, *heads, generator=generator)
        slots[number] = where[-1]
    size = 3 * shape.num_heads * shape.head_dim
    angles = 6 * torch.rand(count, shape.head_dim // 2, generator=generator)
    runs = [(number, 1) for number in range(len(shape.contexts))]
    tiles = plan_tiles([*runs, *[(PADDING, 1)] * shape.num_padding], 1)
    return Operands(
        torch.randn(count, size, generator=generator),
        torch.randn(size, generator=generator),
        (angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), -1)),
        memory,
        slots,
        torch.tensor([*shape.contexts, *[0] * shape.num_padding]),
        tables.to(torch.int32),
        torch.tensor(tiles, dtype=torch.int32),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("num_splits", "block_n"), [(1, 16), (3, 16), (16, 32)])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_rule_holds(
    shape: Shape,
    num_splits: int,
    block_n: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    operands = make(shape, generator)
    results: list[tuple[Tensor, Tensor]] = []
    for module, kind in ((kernels, dtype), (ref, dtype), (ref, torch.float64)):

        def given(tensor: Tensor, kind: torch.dtype = kind) -> Tensor:
            return tensor.to(dtype).to(device, kind)

        memory = given(operands.memory)
        counters = torch.zeros(
            len(operands.slots) * shape.num_heads, dtype=torch.int32, device=device
        )
        with find_table().on_trial("decode_attention", Launch(block_n=block_n, num_warps=2)):
            out = module.decode_attention(
                given(operands.projected),
                given(operands.bias) if shape.has_bias else None,
                (given(operands.rotation[0]), given(operands.rotation[1]))
                if shape.has_rotation
                else None,
                memory,
                operands.slots.to(device),
                operands.positions.to(device),
                operands.tables.to(device),
                operands.tiles.to(device),
                counters,
                scale=shape.head_dim**-0.5,
                block_tokens=BLOCK_TOKENS,
                window=shape.window,
                num_splits=num_splits,
            )
        assert not counters.any(), "the next launch would not know its last program"
        results.append((out, memory))
    (out, stored), (plain, plain_stored), (truth, true_stored) = results
    check_error(out, plain, truth)
    assert bool((out[len(shape.contexts) :] == 0).all()), "padding gathered something"
    written = operands.slots[operands.slots >= 0].to(device)
    check_error(stored[:, written], plain_stored[:, written], true_stored[:, written])
    others = torch.ones(stored.shape[1], dtype=torch.bool, device=device)
    others[written] = False
    before = operands.memory.to(dtype).to(device)
    assert torch.equal(stored[:, others].nan_to_num(7), before[:, others].nan_to_num(7))
