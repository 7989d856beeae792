"""One step of a run: forward and backward passes over its batches, then one update."""

import contextlib
from collections.abc import Iterator
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fimtraining.objective import Objective
from fimtraining.optimiser import Optimisers
from fimtraining.packing import Batch
from fimtraining.process import Process

Z_LOSS_WEIGHT = 1e-4


def run_step(
    model: nn.Module,
    batches: Iterator[Batch],
    num_passes: int,
    optimisers: Optimisers,
    factor: float,
    process: Process,
    positions: dict[int, int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Update the weights once and return loss and gradient norm, still on the device."""
    total = torch.zeros((), device=process.device)
    for number in range(num_passes):
        batch = next(batches)
        is_last = number == num_passes - 1
        waits = isinstance(model, DistributedDataParallel) and not is_last
        with model.no_sync() if waits else contextlib.nullcontext():  # type: ignore[operator]
            loss, z = run_forward(model, batch, process.device)
            torch.autograd.backward((loss + Z_LOSS_WEIGHT * z) / num_passes)
        total += loss.detach() / num_passes
        positions.update(batch.stream_positions)
    norm = nn.utils.clip_grad_norm_(model.parameters(), optimisers.settings.max_grad_norm)
    optimisers.step(factor)
    return total, norm


def run_forward(
    model: nn.Module, batch: Batch, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weighted loss and z-loss of a batch, in nats per token."""
    # Only an objective with more than the next token asks for the horizons.
    num_inputs = 6 if isinstance(unwrap(model), Objective) else 5
    on_device = [t.to(device, non_blocking=True) for t in batch[:6][:num_inputs]]
    with torch.autocast(device.type, torch.bfloat16):
        loss, z = model(*on_device)
    return loss, z


def unwrap(model: nn.Module) -> nn.Module:
    """Return a model without what torch.compile and DDP put around it."""
    if isinstance(model, DistributedDataParallel):
        model = model.module
    return cast(nn.Module, getattr(model, "_orig_mod", model))
