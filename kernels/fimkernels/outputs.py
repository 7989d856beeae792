"""Where kernels get their output tensors: one place, so that tests can hand out poisoned ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def empty_output(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a contiguous tensor whose every element the caller writes.

    Args:
        shape: Its shape.
        dtype: Its type.
        device: Where.

    Returns:
        A tensor with any content.
    """
    return torch.empty(tuple(shape), dtype=dtype, device=device)
