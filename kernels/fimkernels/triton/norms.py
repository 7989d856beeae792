"""Residual addition and norm, one program per row; see `ref/norms.py` for the meaning.

Reads x, residual and weight once and writes both results: 4 rows of traffic where PyTorch's calls
make 8 or more. Sums in fp32.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next


@triton.jit
def add_norm_kernel(
    normed, total, x, residual, weight, bias,
    size, x_stride, residual_stride, eps,
    HAS_RESIDUAL: tl.constexpr, IS_LAYER: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    await_inputs(EARLY)
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < size
    kind = normed.dtype.element_ty
    wide = tl.load(x + row * x_stride + columns, mask=inside, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        wide += tl.load(residual + row * residual_stride + columns, mask=inside, other=0.0).to(
            tl.float32
        )
        rounded = wide.to(kind)
        tl.store(total + row * size + columns, rounded, mask=inside)
        wide = rounded.to(tl.float32)
    factors = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    if IS_LAYER:
        mean = tl.sum(wide, 0) / size
        centred = tl.where(inside, wide - mean, 0.0)
        variance = tl.sum(centred * centred, 0) / size
        shift = tl.load(bias + columns, mask=inside, other=0.0).to(tl.float32)
        result = centred * (1.0 / tl.sqrt_rn(variance + eps)) * factors + shift
    else:
        square = tl.sum(wide * wide, 0) / size
        result = (wide * (1.0 / tl.sqrt_rn(square + eps))).to(kind).to(tl.float32) * factors
    tl.store(normed + row * size + columns, result.to(kind), mask=inside)


def add_rms_norm(
    x: Tensor, residual: Tensor | None, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum; see `ref.norms.add_rms_norm`."""
    return _launch(x, residual, weight, None, eps)


def add_layer_norm(
    x: Tensor, residual: Tensor | None, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum; see `ref.norms.add_layer_norm`."""
    return _launch(x, residual, weight, bias, eps)


def _launch(
    x: Tensor, residual: Tensor | None, weight: Tensor, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    num_rows, size = x.shape
    normed = empty_output(x.shape, x.dtype, x.device)
    total = x if residual is None else empty_output(x.shape, x.dtype, x.device)
    if num_rows == 0:
        return normed, total
    block = triton.next_power_of_2(size)
    early = launches_early(x.device.type)
    add_norm_kernel[(num_rows,)](
        normed, total, x, x if residual is None else residual, weight,
        weight if bias is None else bias,
        size, x.stride(0), 0 if residual is None else residual.stride(0), eps,
        HAS_RESIDUAL=residual is not None, IS_LAYER=bias is not None, BLOCK=block,
        EARLY=early, num_warps=max(1, min(8, block // 512)), launch_pdl=early,
    )  # fmt: skip
    return normed, total
