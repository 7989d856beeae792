"""Keys found through block tables, and parts of them joined: what kernels of attention share.

Parts are joined by their log-sums (Flash-Decoding, Dao et al., 2023).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next

LOG2_E = 1.4426950408889634


@triton.jit
def find_keys(table, key, is_key, STRIDE: tl.constexpr, BLOCK_TOKENS: tl.constexpr):
    """Return where the keys [N] of a sequence begin in the memory of one layer."""
    block = tl.load(table + key // BLOCK_TOKENS, mask=is_key, other=0).to(tl.int64)
    return (block * BLOCK_TOKENS + key % BLOCK_TOKENS) * STRIDE


@triton.jit
def join_kernel(
    output, parts, log_sums, part_stride,
    NUM_SPLITS: tl.constexpr, BLOCK_S: tl.constexpr, HEAD_DIM: tl.constexpr, BLOCK_D: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    await_inputs(EARLY)
    place = tl.program_id(0).to(tl.int64)  # token * H + head
    split = tl.arange(0, BLOCK_S)
    column = tl.arange(0, BLOCK_D)
    is_split = split < NUM_SPLITS
    sums = tl.load(
        log_sums + split.to(tl.int64) * part_stride + place, mask=is_split, other=float("-inf")
    )
    best = tl.max(sums, 0)
    weights = tl.exp2(sums - tl.where(best == float("-inf"), 0.0, best))  # [S]
    total = tl.sum(weights, 0)
    source = (split.to(tl.int64)[:, None] * part_stride + place) * HEAD_DIM + column[None, :]
    inside = is_split[:, None] & (column < HEAD_DIM)[None, :]
    part = tl.load(parts + source, mask=inside, other=0.0)
    joined = tl.sum(part * weights[:, None], 0) / tl.where(total > 0.0, total, 1.0)
    tl.store(
        output + place * HEAD_DIM + column,
        joined.to(output.dtype.element_ty),
        mask=column < HEAD_DIM,
    )


def empty_parts(
    num_splits: int, num_tokens: int, num_heads: int, head_dim: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return memory for what parts of the keys give and for their log-sums.

    Shapes:
        returns: [P, T, H, D], [P, T, H]  fp32

    Args:
        num_splits: Parts P.
        num_tokens: Rows T.
        num_heads: Query heads H.
        head_dim: Head size D.
        device: Where.

    Returns:
        Two tensors of any content.
    """
    shape = (num_splits, num_tokens, num_heads)
    parts = empty_output((*shape, head_dim), torch.float32, device)
    return parts, empty_output(shape, torch.float32, device)


def join_parts(output: Tensor, parts: Tensor, log_sums: Tensor) -> None:
    """Write what all parts give together.

    Shapes:
        output: [T, H * D]  written

    Args:
        output: Where.
        parts: As `empty_parts` made them, filled.
        log_sums: Likewise.
    """
    num_splits, num_tokens, num_heads, head_dim = parts.shape
    early = launches_early(output.device.type)
    join_kernel[(num_tokens * num_heads,)](
        output, parts, log_sums, num_tokens * num_heads,
        NUM_SPLITS=num_splits, BLOCK_S=triton.next_power_of_2(num_splits),
        HEAD_DIM=head_dim, BLOCK_D=triton.next_power_of_2(head_dim), EARLY=early,
        num_warps=4 if num_splits > 8 else 1, launch_pdl=early,
    )  # fmt: skip
