"""What all layers of one step share: positions, the memory of keys and values, adapters."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fimserve.models.lora_rows import LoraRows
from fimserve.models.paged_attention import PagedAttention


@dataclass(frozen=True, slots=True)
class Step:
    """Holds what is made once per step and used in every layer."""

    attention: PagedAttention
    """Writes and reads keys and values."""
    rotation: tuple[Tensor, Tensor] | None
    """Cosines and signed sines of the tokens' positions, each [T, 1, D]; None = no rope."""
    lora: LoraRows | None
    """Rows that have an adapter; None = no row has one."""
