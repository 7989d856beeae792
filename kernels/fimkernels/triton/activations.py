"""SwiGLU and GELU: kernels of their own, and the functions that matrix kernels end with.

GELU by tanh: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) = x * sigmoid(2 * that
argument), which needs one exponential and cannot overflow.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from fimkernels.outputs import empty_output
from fimkernels.triton.early_launch import await_inputs, launches_early, release_next

BLOCK = 1024


@triton.jit
def silu(x):
    return x / (1.0 + tl.exp(-x))


@triton.jit
def gelu(x):
    return x / (1.0 + tl.exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)))


@triton.jit
def activate_kernel(
    output, x, size, x_stride,
    IS_GATED: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    release_next(EARLY)
    await_inputs(EARLY)
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < size
    value = tl.load(x + row * x_stride + column, mask=inside, other=0.0).to(tl.float32)
    if IS_GATED:
        up = tl.load(x + row * x_stride + size + column, mask=inside, other=0.0).to(tl.float32)
        value = silu(value) * up
    else:
        value = gelu(value)
    tl.store(output + row * size + column, value.to(output.dtype.element_ty), mask=inside)


def silu_and_multiply(gate_up: Tensor) -> Tensor:
    """Return silu(gate) * up; see `ref.activations.silu_and_multiply`."""
    return _launch(gate_up, gate_up.shape[1] // 2, is_gated=True)


def gelu_tanh(x: Tensor) -> Tensor:
    """Return GELU by its tanh formula; see `ref.activations.gelu_tanh`."""
    return _launch(x, x.shape[1], is_gated=False)


def _launch(x: Tensor, size: int, is_gated: bool) -> Tensor:
    num_rows = x.shape[0]
    output = empty_output((num_rows, size), x.dtype, x.device)
    early = launches_early(x.device.type)
    if num_rows:
        activate_kernel[(num_rows, triton.cdiv(size, BLOCK))](
            output, x, size, x.stride(0),
            IS_GATED=is_gated, BLOCK=BLOCK, EARLY=early, num_warps=4, launch_pdl=early,
        )  # fmt: skip
    return output
