"""Fits an adapter to the linear layers of a model: whose output each change belongs to.

Matrices that are stored apart and multiplied at once (q, k and v) get one pair of factors: the
downs side by side, the ups block by block with zeros between, so that a layer pays for two small
products whatever it stacks. Nothing is changed here; the layers take the result.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fimserve.models.adapter import Adapter, LowRankChange
from fimserve.models.errors import AdapterMismatch
from fimserve.models.linear import Linear
from fimserve.models.lora import LoraFactors


def fit_adapter(
    adapter: Adapter,
    linears: Iterable[Linear],
    prefix: str,
    dtype: torch.dtype,
    device: torch.device,
) -> list[tuple[Linear, LoraFactors]]:
    """Return the factors of every layer that an adapter changes.

    Args:
        adapter: The adapter.
        linears: Linear layers that can be changed.
        prefix: What transformers puts before the names of their parts.
        dtype: Precision of the activations.
        device: Device of the model.

    Returns:
        Layers and factors; layers that stay as they are are left out.

    Raises:
        AdapterMismatch: If the adapter names a layer that is not there, or has another shape.
    """
    changes = {module.removeprefix(prefix): change for module, change in adapter.changes.items()}
    fitted: list[tuple[Linear, LoraFactors]] = []
    for linear in linears:
        found = {part: changes.pop(part) for part in linear.parts if part in changes}
        for part, change in found.items():
            _check_shape(adapter, part, change, (linear.parts[part], linear.in_features))
        if found:
            fitted.append((linear, _stack(linear, found, dtype, device)))
    if changes:
        raise AdapterMismatch(
            f"{_describe(adapter)} changes {len(changes)} layers that this model does not have or "
            f"does not let adapters change, among them {next(iter(changes))!r}"
        )
    return fitted


def _check_shape(
    adapter: Adapter, part: str, change: LowRankChange, expected: tuple[int, int]
) -> None:
    if change.shape != expected:
        raise AdapterMismatch(
            f"{_describe(adapter)} changes {part!r} as a matrix of shape {list(change.shape)}; "
            f"this model's has shape {list(expected)}"
        )


def _describe(adapter: Adapter) -> str:
    base = "" if adapter.base_model is None else f", made for {adapter.base_model!r},"
    return f"adapter {adapter.source}{base}"


def _stack(
    linear: Linear, changes: dict[str, LowRankChange], dtype: torch.dtype, device: torch.device
) -> LoraFactors:
    downs = [change.down for change in changes.values()]
    total_rank = sum(down.shape[0] for down in downs)
    up = torch.zeros(total_rank, sum(linear.parts.values()))
    first_rank = 0
    for part, change in changes.items():
        end_rank = first_rank + change.down.shape[0]
        first = linear.first_row(part)
        columns = slice(first, first + change.up.shape[0])
        up[first_rank:end_rank, columns] = change.up.float().t() * change.scale
        first_rank = end_rank
    return LoraFactors(_place(torch.cat(downs).t(), dtype, device), _place(up, dtype, device))


def _place(tensor: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return tensor.to(device, dtype).contiguous()
