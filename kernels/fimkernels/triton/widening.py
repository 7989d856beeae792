"""Codes of stored weights as numbers, inside a kernel."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def widen_codes(codes, kind: tl.constexpr, FORM: tl.constexpr):
    """Return codes as numbers of x's type; every code is exact in bf16."""
    if FORM == "dense":
        return codes
    if FORM == "fp8":
        return codes.to(tl.float16).to(kind)
    return codes.to(kind)
