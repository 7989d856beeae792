"""Bias, rotation and storing of keys and values in one launch; meaning in `ref/rope.py`.

One program per token and some heads. The rotated partner of a column is loaded a second time, from
the first-level cache, which is cheaper than exchanging registers. Arithmetic in fp32: rounded once,
where the reference rounds after each step.

Source: the layout is that of rotate-half in Hugging Face's `modeling_llama.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next

MAX_HEADS = 8
"""Heads per program."""


@triton.jit
def rotate_and_store_kernel(
    queries, keys_values, projected, bias, cosines, sines, slots,
    num_heads, num_kv_heads, value_offset, projected_stride, rotation_stride,
    HAS_BIAS: tl.constexpr, HAS_ROTATION: tl.constexpr,
    HEAD_DIM: tl.constexpr, BLOCK_D: tl.constexpr, HEADS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    await_inputs(EARLY)
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)  # [HEADS]
    column = tl.arange(0, BLOCK_D)
    num_all = num_heads + 2 * num_kv_heads
    inside = (head < num_all)[:, None] & (column < HEAD_DIM)[None, :]
    place = head[:, None] * HEAD_DIM + column[None, :]  # [HEADS, D]
    source = projected + token * projected_stride
    own = tl.load(source + place, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        own += tl.load(bias + place, mask=inside, other=0.0).to(tl.float32)
    if HAS_ROTATION:
        other_column = tl.where(
            column < HEAD_DIM // 2, column + HEAD_DIM // 2, column - HEAD_DIM // 2
        )
        other_place = head[:, None] * HEAD_DIM + other_column[None, :]
        other = tl.load(source + other_place, mask=inside, other=0.0).to(tl.float32)
        if HAS_BIAS:
            other += tl.load(bias + other_place, mask=inside, other=0.0).to(tl.float32)
        angle = token * rotation_stride + column
        is_column = column < HEAD_DIM
        cosine = tl.load(cosines + angle, mask=is_column, other=0.0).to(tl.float32)
        sine = tl.load(sines + angle, mask=is_column, other=0.0).to(tl.float32)
        is_turned = (head < num_heads + num_kv_heads)[:, None]
        own = tl.where(is_turned, own * cosine[None, :] + other * sine[None, :], own)
    result = own.to(queries.dtype.element_ty)
    is_query = (head < num_heads)[:, None] & inside
    tl.store(queries + token * num_heads * HEAD_DIM + place, result, mask=is_query)
    slot = tl.load(slots + token).to(tl.int64)
    kv_head = head - num_heads
    is_value = kv_head >= num_kv_heads
    stored_head = tl.where(is_value, kv_head - num_kv_heads, kv_head)
    target = (
        keys_values
        + tl.where(is_value, value_offset, 0)[:, None]
        + slot * num_kv_heads * HEAD_DIM
        + stored_head[:, None] * HEAD_DIM
        + column[None, :]
    )
    stored_columns = tl.where(slot >= 0, HEAD_DIM, 0)
    is_stored = (kv_head >= 0)[:, None] & inside & (column < stored_columns)[None, :]
    tl.store(target, result, mask=is_stored)


def rotate_and_store(
    projected: Tensor,
    bias: Tensor | None,
    rotation: tuple[Tensor, Tensor] | None,
    keys_values: Tensor,
    slots: Tensor,
    num_heads: int,
) -> Tensor:
    """Return the rotated queries and store keys and values; see `ref.rope.rotate_and_store`."""
    num_tokens = projected.shape[0]
    num_kv_heads, head_dim = keys_values.shape[2:]
    queries = empty_output((num_tokens, num_heads, head_dim), projected.dtype, projected.device)
    if num_tokens == 0:
        return queries
    cosines, sines = (projected, projected) if rotation is None else rotation
    num_all = num_heads + 2 * num_kv_heads
    heads = min(MAX_HEADS, triton.next_power_of_2(num_all))
    early = launches_early(projected.device.type)
    rotate_and_store_kernel[(num_tokens, triton.cdiv(num_all, heads))](
        queries, keys_values, projected, projected if bias is None else bias, cosines, sines, slots,
        num_heads, num_kv_heads, keys_values.stride(0), projected.stride(0), cosines.stride(0),
        HAS_BIAS=bias is not None, HAS_ROTATION=rotation is not None,
        HEAD_DIM=head_dim, BLOCK_D=triton.next_power_of_2(head_dim), HEADS=heads,
        EARLY=early, num_warps=2, launch_pdl=early,
    )  # fmt: skip
    return queries
