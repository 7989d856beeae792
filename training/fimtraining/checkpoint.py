"""The checkpoint of a run: weights, optimisers and how far it came, in one file.

It is read again by other numbers of processes and without the optimisers' state, if that was left
behind on the way (`fimtraining.portable`).
"""

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import nn

from fimtraining.model import TrainingLlama
from fimtraining.objective import Objective
from fimtraining.optimiser import Optimisers
from fimtraining.process import Process


@dataclass(slots=True)
class RunState:
    """Where a run stands, weights and optimisers aside."""

    step: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    """Stream -> documents used up, in the phase that the run is in."""
    num_streams: int = 1
    """Streams that `positions` were counted over."""
    late_since: int | None = None
    """Step at which the late phase began."""
    spent_s: float = 0.0
    """Seconds of training so far."""
    end: int = 0
    """Step at which the run ends, as last planned; 0: not planned yet."""

    @property
    def is_late(self) -> bool:
        """Whether the late phase has begun."""
        return self.late_since is not None

    def begin_late(self) -> None:
        """Begin the late phase: a mix of its own, so a stream of its own."""
        self.late_since, self.positions = self.step, {}


def fit_positions(positions: dict[int, int], num_saved: int, num_streams: int) -> dict[int, int]:
    """Return positions for another number of streams: on as many documents, none twice.

    With the number they were counted over they stay as they are, to the last example.
    """
    if num_saved == num_streams or not positions:
        return dict(positions)
    # The furthest stream decides: a few documents are passed over rather than seen again.
    used = max(positions.values()) * num_saved
    return dict.fromkeys(range(num_streams), -(-used // num_streams))


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimisers: Optimisers,
    state: RunState,
    process: Process,
) -> None:
    """Write what a resumed run needs; a reader sees the old file or the new one, never a half."""
    everyone = [state.positions]
    if process.count > 1:
        everyone = [{} for _ in range(process.count)]
        dist.all_gather_object(everyone, state.positions)
    if process.is_first:
        merged = {stream: at for part in everyone for stream, at in part.items()}
        partial_path = path.with_suffix(".partial")
        head = model.horizon_head if isinstance(model, Objective) else None
        torch.save(
            {
                "model": _inner_model(model).state_dict(),
                "horizon_head": head.state_dict() if head else None,
                "optimisers": optimisers.state(),
                **asdict(state),
                "positions": merged,
            },
            partial_path,
        )
        os.replace(partial_path, path)


def load_checkpoint(
    path: Path, model: nn.Module, optimisers: Optimisers, num_streams: int, device: torch.device
) -> tuple[RunState, bool]:
    """Fill model and optimisers from a checkpoint.

    Args:
        path: File as `save_checkpoint` or `fimtraining.portable` writes it.
        model: Model or objective to fill.
        optimisers: Optimisers to fill, where the file holds their state.
        num_streams: Streams of this process group.
        device: Where the weights go.

    Returns:
        Where the run stands, and whether the optimisers begin anew.
    """
    saved = torch.load(path, map_location=device, weights_only=True)
    _inner_model(model).load_state_dict(saved["model"])
    if isinstance(model, Objective) and model.horizon_head and saved.get("horizon_head"):
        model.horizon_head.load_state_dict(saved["horizon_head"])
    has_optimisers = saved.get("optimisers") is not None
    if has_optimisers:
        optimisers.load_state(saved["optimisers"])
    state = RunState(**{f.name: saved[f.name] for f in fields(RunState) if f.name in saved})
    # A checkpoint of before this was kept belongs to the streams that resume it.
    before = state.num_streams if "num_streams" in saved else num_streams
    state.positions = fit_positions(state.positions, before, num_streams)
    state.num_streams = num_streams
    return state, not has_optimisers


def _inner_model(model: nn.Module) -> TrainingLlama:
    """Return the model inside an objective, or the model itself."""
    return cast(TrainingLlama, model.model if isinstance(model, Objective) else model)
