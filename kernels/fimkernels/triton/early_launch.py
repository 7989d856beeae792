"""Launching a kernel before the one in front of it has ended (programmatic dependent launch).

In a chain of short kernels the card idles between them: one drains, the next is launched, its first
loads travel. With this, every kernel of the chain lets the next one begin as soon as its own
programs have begun; the next reads what does not depend on anybody, its weights, and then waits.
A kernel that is launched this way must call `await_inputs` before it reads what another kernel
wrote and before it writes anything: behind the wait all earlier kernels have ended.

Source: CUDA C++ Programming Guide, "Programmatic Dependent Launch"; Hopper (9.0) and later.
"""

from __future__ import annotations

import functools
import os

import torch
import triton
import triton.language as tl

VARIABLE = "FIMSERVE_KERNELS_EARLY_LAUNCH"


@triton.jit
def release_next(EARLY: tl.constexpr):
    """Let the next kernel begin; it still waits for all of this one's results."""
    if EARLY:
        tl.extra.cuda.gdc_launch_dependents()


@triton.jit
def await_inputs(EARLY: tl.constexpr):
    """Wait until everything that earlier kernels wrote can be read."""
    if EARLY:
        tl.extra.cuda.gdc_wait()


@functools.cache
def launches_early(device_type: str) -> bool:
    """Return whether kernels begin before those in front of them end.

    `FIMSERVE_KERNELS_EARLY_LAUNCH=0` turns it off.

    Args:
        device_type: Kind of device that the operands are on.

    Returns:
        Whether they do: on a card that can, and never under the interpreter.
    """
    if device_type != "cuda" or os.environ.get(VARIABLE) == "0":
        return False
    from fimkernels.backend import is_interpreted

    return not is_interpreted() and torch.cuda.get_device_capability() >= (9, 0)
