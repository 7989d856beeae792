"""A matrix as int8 codes with one scale per row: the rule, and nothing of files or products."""

from __future__ import annotations

import torch
from torch import Tensor

from fimserve.models.errors import BrokenCheckpoint

MAX_CODE = 127
"""Codes run from -127 to 127: symmetric, so that zero stays zero."""


def quantise_matrix(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 codes and row scales of a matrix.

    Shapes:
        weight:  [out, in]  bf16|fp32
        returns: [out, in]  int8, and [out, 1] fp32

    Args:
        weight: Matrix to store; a row of zeros, or nearly so, gets the scale 1.

    Returns:
        Codes and scales; codes * scales is within half a scale of the weight.

    Raises:
        BrokenCheckpoint: If the matrix holds an infinity or a NaN.
    """
    wide = weight.float()
    if not torch.isfinite(wide).all():
        raise BrokenCheckpoint("a weight matrix holds NaN or infinity; it cannot be quantised")
    largest = wide.abs().amax(dim=1, keepdim=True)  # [out, 1]
    scales = largest / MAX_CODE
    # Below the smallest normal number a scale has no precision left, and may be 0.
    scales = torch.where(scales >= torch.finfo(torch.float32).tiny, scales, 1.0)
    codes = (wide / scales).round().clamp(-MAX_CODE, MAX_CODE).to(torch.int8)
    return codes, scales
