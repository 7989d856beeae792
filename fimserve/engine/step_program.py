"""A step that can be run again and again on the same memory: recorded as a CUDA graph, or not.

Both forms read and write the same fixed tensors; the plain one is the twin that runs anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class StepOutput(NamedTuple):
    """Holds what a step gives."""

    scores: Tensor
    """[R, V] fp32, overwritten by the next run."""
    chosen: Tensor
    """[R] int64: id of each row's best score, without end tokens where these are ignored;
    overwritten by the next run."""


MemoryPool = Any
"""Name of the memory that recordings take theirs from; torch's type of it has no public name."""


def make_memory(device: torch.device) -> MemoryPool | None:
    """Return memory for what recordings hold in between; None where nothing is recorded."""
    return torch.cuda.graph_pool_handle() if device.type == "cuda" else None


def make_program(
    compute: Callable[[], StepOutput], device: torch.device, memory: MemoryPool | None
) -> Callable[[], StepOutput]:
    """Return what runs a computation on fixed memory.

    Args:
        compute: Reads fixed tensors, makes new ones, and never waits for the device.
        device: Where it runs.
        memory: Where a CUDA graph of it has what it needs in between; recordings may share it, as
            one runs at a time and each one's output is its own. None = it is not recorded.

    Returns:
        A call that runs it; its output is the same memory each time.
    """
    return _Eager(compute) if memory is None else _record(compute, device, memory)


class _Eager:
    """Runs a computation as it is, into memory that stays."""

    def __init__(self, compute: Callable[[], StepOutput]) -> None:
        self._compute = compute
        self._output: StepOutput | None = None

    def __call__(self) -> StepOutput:
        fresh = self._compute()
        if self._output is None:
            self._output = fresh
        else:
            for kept, new in zip(self._output, fresh, strict=True):
                kept.copy_(new)
        return self._output


def _record(
    compute: Callable[[], StepOutput], device: torch.device, memory: MemoryPool
) -> Callable[[], StepOutput]:
    # Kernels are compiled and libraries set up outside the graph, on a stream of its own.
    side: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        compute()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=memory):
        output = compute()

    def replay() -> StepOutput:
        graph.replay()
        return output

    return replay
