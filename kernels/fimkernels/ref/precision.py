"""In which type sums are taken: fp32 for narrow types, otherwise the type itself."""

from __future__ import annotations

import torch
from torch import Tensor


def widen(x: Tensor) -> Tensor:
    """Return a tensor in the type its sums are taken in: fp64 stays, everything else is fp32."""
    return x if x.dtype == torch.float64 else x.float()
