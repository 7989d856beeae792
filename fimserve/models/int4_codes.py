"""A matrix as int4 codes, two to a byte, with one scale per group of a row: for files alone.

In memory nothing is int4: what is read becomes int8 codes with one scale per row, or is multiplied
out. Knows nothing of files.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimserve.models.errors import BrokenCheckpoint

GROUP_SIZE = 32
"""Neighbouring weights of a row that share a scale."""
MAX_CODE = 7
"""Codes run from -7 to 7: symmetric, so that zero stays zero."""
_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
"""Shares of a group's largest weight tried as its end: cutting one off may serve the others."""


def pack_matrix(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return packed int4 codes and group scales of a matrix.

    Shapes:
        weight:  [out, in]  bf16|fp32, in a multiple of GROUP_SIZE
        returns: [out, in / 2]  uint8, and [out, in / GROUP_SIZE]  fp16

    Args:
        weight: Matrix to store.

    Returns:
        Codes, the first of two in the low half of a byte, and scales that leave the least squared
        error of those tried.

    Raises:
        BrokenCheckpoint: If the matrix holds an infinity or a NaN, or its rows are no whole groups.
    """
    wide = weight.float()
    if not torch.isfinite(wide).all():
        raise BrokenCheckpoint("a weight matrix holds NaN or infinity; it cannot be quantised")
    if wide.shape[1] % GROUP_SIZE:
        raise BrokenCheckpoint(
            f"rows of {wide.shape[1]} weights are no whole groups of {GROUP_SIZE}; keep it int8"
        )
    groups = wide.view(len(wide), -1, GROUP_SIZE)  # [out, G, GROUP_SIZE]
    largest = groups.abs().amax(-1, keepdim=True)
    best = torch.full_like(largest, torch.inf)
    codes, scales = torch.zeros_like(groups), torch.ones_like(largest)
    for clip in _CLIPS:
        tried = (clip * largest / MAX_CODE).to(torch.float16).float()
        tried = torch.where(tried > 0, tried, 1.0)
        rounded = (groups / tried).round().clamp(-MAX_CODE, MAX_CODE)
        error = (rounded * tried - groups).square().sum(-1, keepdim=True)
        is_better = error < best
        best = torch.where(is_better, error, best)
        codes = torch.where(is_better, rounded, codes)
        scales = torch.where(is_better, tried, scales)
    nibbles = (codes.to(torch.int16) & 0xF).to(torch.uint8).view(len(wide), -1, 2)
    packed = nibbles[:, :, 0] | nibbles[:, :, 1] << 4
    return packed.contiguous(), scales[:, :, 0].to(torch.float16)


def unpack_matrix(packed: Tensor, scales: Tensor) -> Tensor:
    """Return a packed matrix multiplied out.

    Shapes:
        packed:  [out, in / 2]           uint8
        scales:  [out, in / GROUP_SIZE]  fp16
        returns: [out, in]               fp32

    Args:
        packed: Codes as `pack_matrix` returns them.
        scales: One scale per group.

    Returns:
        The matrix.
    """
    halves = torch.stack([packed & 0xF, packed >> 4], dim=-1).to(torch.int16)
    codes = torch.where(halves > MAX_CODE, halves - 16, halves).float()  # [out, in / 2, 2]
    groups = codes.view(len(packed), -1, GROUP_SIZE)
    return (groups * scales.float()[:, :, None]).view(len(packed), -1)
