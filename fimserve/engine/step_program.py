"""A step that can be run again and again on the same memory: recorded as a CUDA graph, or not.

Both forms read and write the same fixed tensors; the plain one is the twin that runs anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class StepOutput(NamedTuple):
    """Holds what a step gives."""

    scores: Tensor
    """[R, V] fp32, overwritten by the next run."""
    chosen: Tensor
    """[R] int64: id of each row's best score; overwritten by the next run."""


def make_program(
    compute: Callable[[], StepOutput], device: torch.device, records: bool
) -> Callable[[], StepOutput]:
    """Return what runs a computation on fixed memory.

    Args:
        compute: Reads fixed tensors, makes new ones, and never waits for the device.
        device: Where it runs.
        records: Whether to record it as a CUDA graph.

    Returns:
        A call that runs it; its output is the same memory each time.
    """
    return _record(compute, device) if records else _Eager(compute)


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


def _record(compute: Callable[[], StepOutput], device: torch.device) -> Callable[[], StepOutput]:
    # Kernels are compiled and libraries set up outside the graph, on a stream of its own.
    side: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        compute()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = compute()

    def replay() -> StepOutput:
        graph.replay()
        return output

    return replay
