"""Rotary position embedding: its frequencies, their scaling, and the rotation itself.

Halves, not pairs: column i is rotated together with column i + D/2, as Hugging Face stores
weights. Scalings: none, linear (DeepSeek-Coder) and llama3.
Knows nothing of attention, caches or files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

RopeType = Literal["default", "linear", "llama3"]
ROPE_TYPES: tuple[RopeType, ...] = ("default", "linear", "llama3")


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """Holds the numbers that fix a rotary embedding."""

    theta: float = 10000.0
    """Base of the geometric row of wavelengths."""
    rope_type: RopeType = "default"
    """Scaling rule."""
    factor: float = 1.0
    """How many times longer the served context is than the one first trained on."""
    low_freq_factor: float = 1.0
    """llama3 only: wavelengths above original / low_freq_factor are scaled in full."""
    high_freq_factor: float = 4.0
    """llama3 only: wavelengths below original / high_freq_factor are not scaled."""
    original_max_tokens: int = 8192
    """llama3 only: context length before scaling, in tokens."""


class RotaryEmbedding:
    """Gives the rotation of any position; computes its frequencies once per device.

    Not a module: it has no weights, and models are assembled on the meta device, where nothing
    can be computed.

    Args:
        rope: Base and scaling.
        head_dim: Head size D, even.
    """

    def __init__(self, rope: RopeConfig, head_dim: int) -> None:
        self._rope = rope
        self._head_dim = head_dim
        self._frequencies: Tensor | None = None

    def rotation_at(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosines and signed sines at some positions; shapes as in `compute_rotation`."""
        if self._frequencies is None or self._frequencies.device != positions.device:
            frequencies = compute_frequencies(self._rope, self._head_dim)
            self._frequencies = frequencies.to(positions.device)
        return compute_rotation(self._frequencies, positions, dtype)


def compute_frequencies(rope: RopeConfig, head_dim: int) -> Tensor:
    """Return the angle in radians that one token's step turns each column pair by.

    Shapes:
        returns: [D/2]  fp32

    Args:
        rope: Base and scaling.
        head_dim: Head size D, even.

    Returns:
        One frequency per column pair, highest first.

    Source:
        arXiv:2104.09864; the llama3 rule as in transformers `modeling_rope_utils.py`.
    """
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    frequencies = 1.0 / (rope.theta**exponents)
    if rope.rope_type == "linear":
        return frequencies / rope.factor
    if rope.rope_type == "llama3":
        return _scale_llama3(frequencies, rope)
    return frequencies


def compute_rotation(
    frequencies: Tensor, positions: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines of the angles at some positions.

    Shapes:
        frequencies: [D/2]  fp32
        positions:   [T]    int64
        returns:     two of [T, 1, D]  dtype; the second half of the columns repeats the first,
                     for sines with the other sign

    Args:
        frequencies: Output of `compute_frequencies`.
        positions: Position of each token.
        dtype: Precision of the result; angles are computed in fp32 whatever it is.

    Returns:
        Cosines, then sines, negative in the first half.
    """
    angles = torch.outer(positions.float(), frequencies)[:, None]  # [T, 1, D/2]
    cosines, sines = angles.cos(), angles.sin()
    return torch.cat((cosines, cosines), -1).to(dtype), torch.cat((-sines, sines), -1).to(dtype)


def rotate_in_place(x: Tensor, cosines: Tensor, sines: Tensor) -> None:
    """Rotate query and key heads by the angles of their positions.

    Shapes:
        x:       [T, H, D]  bf16|fp32; changed
        cosines: [T, 1, D]  dtype of x: rotating in x's own precision is what transformers does,
                            and logits must agree with it
        sines:   [T, 1, D]  dtype of x, negative in the first half of the columns

    Args:
        x: Heads to rotate.
        cosines: Cosine of every token's angles.
        sines: Signed sine of every token's angles.
    """
    swapped = x.roll(x.shape[-1] // 2, -1)  # the halves change places, the signs are in the sines
    x.mul_(cosines).add_(swapped.mul_(sines))


def _scale_llama3(frequencies: Tensor, rope: RopeConfig) -> Tensor:
    wavelengths = 2 * math.pi / frequencies
    low, high = rope.low_freq_factor, rope.high_freq_factor
    # 0 for long waves (scaled in full), 1 for short ones (kept), a ramp between.
    kept = (rope.original_max_tokens / wavelengths - low) / (high - low)
    kept = kept.clamp(0.0, 1.0)
    return (1 - kept) * frequencies / rope.factor + kept * frequencies
