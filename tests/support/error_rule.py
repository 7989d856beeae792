"""How far a kernel may be from the truth: twice as far as plain PyTorch in the same type.

truth = the reference in fp64, plain = the reference in the kernel's type, t = truth rounded to it:
max|out - truth| <= 2 max|plain - truth| + 2 max|(t + 0.3 - 0.3) - t|. The second term is what one
rounding of numbers of this size costs. bf16 alone is blind to a forgotten column, fp32 is not: test
both. In fp32 on a card the factor is 10: a kernel's one long chain of sums errs more than the
library's tree of them (seen: 7.7 times), and a forgotten column a thousand times more.

Source: FlashAttention, `tests/test_flash_attn.py` and `hopper/test_flash_attn.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

DOT_TYPES = (torch.float32, torch.bfloat16 if torch.cuda.is_available() else torch.float16)
"""Types to test kernels with matrix products in: Triton's interpreter multiplies bf16 matrices as
the integers of their bits (3.6 to 3.9), so on a CPU fp16 stands for all narrow types."""

FP32_FACTOR = 10.0


def check_error(out: Tensor, plain: Tensor, truth: Tensor, factor: float = 2.0) -> None:
    """Assert the rule.

    Args:
        out: What the kernel gave.
        plain: What the reference gives in the same type.
        truth: What it gives in fp64.
        factor: Times the reference's error that is allowed; more than 2 needs a reason.
    """
    if out.is_cuda and out.dtype == torch.float32:
        factor = max(factor, FP32_FACTOR)
    assert out.shape == plain.shape == truth.shape
    assert out.dtype == plain.dtype
    if not out.numel():
        return
    assert bool(out.isfinite().all()), "NaN or infinity: written by nobody, or computed from it"
    rounded = truth.to(out.dtype)
    floor = ((rounded + 0.3 - 0.3) - rounded).abs().max().double()
    allowed = factor * ((plain.double() - truth).abs().max() + floor)
    error = (out.double() - truth).abs().max()
    assert error <= allowed, f"error {error:.3g}, allowed {allowed:.3g}"
