"""Which rows of a step belong to which adapter, and how their changes are added.

The place where many adapters in one step become fast: a kernel for all slots at once replaces
`add`. Knows nothing of files or of which layer it serves.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fimserve.models.forward_batch import ForwardBatch
from fimserve.models.lora import LoraFactors


class LoraRows:
    """Groups the rows of a step by adapter slot.

    Args:
        batch: Tokens of the step; at least one has an adapter.
    """

    def __init__(self, batch: ForwardBatch) -> None:
        runs: dict[int, list[tuple[int, int]]] = {}
        for slot, start, end in batch.adapter_rows:
            runs.setdefault(slot, []).append((start, end))
        self._rows = {slot: _join(found, batch.token_ids.device) for slot, found in runs.items()}

    @property
    def slots(self) -> frozenset[int]:
        """Slots that some row has."""
        return frozenset(self._rows)

    def add(self, output: Tensor, x: Tensor, changes: Mapping[int, LoraFactors]) -> None:
        """Add to each row of a linear layer's output what its adapter changes, in place.

        Shapes:
            output: [T, out]  changed
            x:      [T, in]

        Args:
            output: What the layer computed without adapters.
            x: Its input.
            changes: Factors of this layer by slot; a slot without any changes nothing.
        """
        for slot, rows in self._rows.items():
            factors = changes.get(slot)
            if factors is None:
                continue
            if isinstance(rows, slice):
                output[rows].addmm_(x[rows] @ factors.down, factors.up)
            else:
                output.index_add_(0, rows, (x[rows] @ factors.down) @ factors.up)


def _join(runs: list[tuple[int, int]], device: torch.device) -> slice | Tensor:
    if len(runs) == 1:
        return slice(*runs[0])
    rows = [row for start, end in runs for row in range(start, end)]
    return torch.tensor(rows, dtype=torch.int64, device=device)
