"""Paged attention: decoded tokens, pieces of prompts, and both in one launch."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fimkernels.ref import attention as ref
from fimkernels.tiles import PADDING, plan_tiles
from fimkernels.triton import attention as kernels
from support.error_rule import DOT_TYPES, check_error

BLOCK_TOKENS = 8


@dataclass(frozen=True)
class Shape:
    """Holds heads, and what each sequence computes: context and new tokens."""

    num_heads: int
    num_kv_heads: int
    head_dim: int
    sequences: tuple[tuple[int, int], ...]
    window: int | None = None
    num_padding: int = 0


DECODE = ((0, 1), (3, 1), (70, 1))
MIXED = ((69, 1), (5, 9), (0, 3))
SHAPES = [
    Shape(4, 2, 64, DECODE),
    Shape(2, 2, 80, DECODE, num_padding=2),
    Shape(5, 1, 96, DECODE),
    Shape(12, 1, 128, ((100, 1),)),
    Shape(4, 2, 64, MIXED, num_padding=3),
    Shape(4, 2, 16, MIXED, window=9),
    Shape(3, 3, 80, ((130, 1), (128, 9)), window=70),
]
BIG = [
    Shape(16, 16, 128, tuple((1536 + 7 * i, 1) for i in range(8))),
    Shape(24, 2, 128, ((2047, 1), (1200, 40), (0, 512)), window=1024),
    Shape(48, 1, 128, ((1000, 1), (300, 33))),
    Shape(10, 2, 64, ((0, 256), (256, 256), (1999, 1))),
]


@dataclass
class Operands:
    queries: Tensor
    keys_values: Tensor
    positions: Tensor
    tables: Tensor
    tiles: Tensor


def make(shape: Shape, tile_rows: int, generator: torch.Generator) -> Operands:
    """Return operands whose pool is NaN wherever no token was written."""
    lengths = [context + new for context, new in shape.sequences]
    max_blocks = -(-max(lengths) // BLOCK_TOKENS) + 1
    num_blocks = len(lengths) * max_blocks
    order = torch.randperm(num_blocks, generator=generator).view(len(lengths), max_blocks)
    memory = (2, num_blocks * BLOCK_TOKENS, shape.num_kv_heads, shape.head_dim)
    keys_values = torch.full(memory, torch.nan)
    for blocks, length in zip(order, lengths, strict=True):
        place = torch.arange(length)
        slots = blocks[place // BLOCK_TOKENS] * BLOCK_TOKENS + place % BLOCK_TOKENS
        keys_values[:, slots] = torch.randn(
            2, length, shape.num_kv_heads, shape.head_dim, generator=generator
        )
    positions = [p for context, new in shape.sequences for p in range(context, context + new)]
    positions += [0] * shape.num_padding
    runs = [(index, new) for index, (_, new) in enumerate(shape.sequences)]
    tiles = plan_tiles([*runs, (PADDING, shape.num_padding)], tile_rows)
    queries = torch.randn(len(positions), shape.num_heads, shape.head_dim, generator=generator)
    return Operands(
        queries,
        keys_values,
        torch.tensor(positions),
        order.to(torch.int32),
        torch.tensor(tiles, dtype=torch.int32),
    )


def check(
    shape: Shape,
    num_splits: int,
    tile_rows: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    operands = make(shape, tile_rows, generator)
    results: list[Tensor] = []
    for module, kind in ((kernels, dtype), (ref, dtype), (ref, torch.float64)):
        results.append(
            module.paged_attention(
                operands.queries.to(dtype).to(device, kind),
                operands.keys_values.to(dtype).to(device, kind),
                operands.positions.to(device),
                operands.tables.to(device),
                operands.tiles.to(device),
                scale=shape.head_dim**-0.5,
                block_tokens=BLOCK_TOKENS,
                tile_rows=tile_rows,
                window=shape.window,
                num_splits=num_splits,
            )
        )
    check_error(*results)
    if shape.num_padding:
        assert not bool(results[0][-shape.num_padding :].any())


# Parts are joined in fp32 whatever the type: the interpreter is spared the other two pairs.
@pytest.mark.parametrize(("num_splits", "dtype"), [(3, DOT_TYPES[0]), (1, DOT_TYPES[1])])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_rule_holds(
    shape: Shape,
    num_splits: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    tile_rows = 1 if all(new == 1 for _, new in shape.sequences) else 8
    check(shape, num_splits, tile_rows, dtype, device, generator)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DOT_TYPES)
@pytest.mark.parametrize(("num_splits", "tile_rows"), [(1, 1), (8, 1), (1, 4), (4, 4)])
@pytest.mark.parametrize("shape", BIG)
def test_the_error_rule_holds_on_served_shapes(
    shape: Shape,
    num_splits: int,
    tile_rows: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator,
) -> None:
    check(shape, num_splits, tile_rows, dtype, device, generator)


def test_more_splits_than_keys(device: torch.device, generator: torch.Generator) -> None:
    check(Shape(2, 1, 16, ((0, 1), (2, 2))), 7, 2, torch.float32, device, generator)


def test_the_reference_is_attention_over_joined_keys(generator: torch.Generator) -> None:
    """The reference itself against PyTorch's own attention, without pages."""
    shape = Shape(4, 2, 16, ((21, 6),))
    operands = make(shape, 4, generator)
    out = ref.paged_attention(
        operands.queries,
        operands.keys_values,
        operands.positions,
        operands.tables,
        operands.tiles,
        scale=0.25,
        block_tokens=BLOCK_TOKENS,
        tile_rows=4,
    )
    place = torch.arange(27)
    slots = operands.tables[0][place // BLOCK_TOKENS] * BLOCK_TOKENS + place % BLOCK_TOKENS
    keys, values = operands.keys_values[:, slots].transpose(1, 2)  # [Hkv, S, D]
    expected = torch.nn.functional.scaled_dot_product_attention(
        operands.queries.transpose(0, 1),
        keys.repeat_interleave(2, 0),
        values.repeat_interleave(2, 0),
        attn_mask=place[None, :] <= operands.positions[:, None],
        scale=0.25,
    )
    torch.testing.assert_close(out, expected.transpose(0, 1).flatten(1))
