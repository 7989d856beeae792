"""A LoRA adapter as its files have it: low-rank changes of named matrices, for any base model.

Knows nothing of a model in memory: `adapter_fit.py` finds the layers that the names mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class LowRankChange:
    """Holds what is added to one matrix W [out, in]: scale * up @ down."""

    down: Tensor
    """[r, in] as stored; PEFT calls it lora_A."""
    up: Tensor
    """[out, r] as stored; PEFT calls it lora_B."""
    scale: float
    """alpha / r, or alpha / sqrt(r) for rsLoRA."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix that is changed."""
        return self.up.shape[0], self.down.shape[1]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Holds all changes of one adapter."""

    source: str
    """Where it comes from, for error messages."""
    base_model: str | None
    """Model it was trained over, as its files name it; None = they do not say."""
    changes: Mapping[str, LowRankChange]
    """Each change under the name of its module in transformers, "model.layers.0.mlp.up_proj"."""
