"""Which implementation an operation runs: the reference or Triton.

`FIMSERVE_KERNELS=auto|ref|triton`, read once per process. `auto` takes Triton for tensors on a CUDA
device where Triton can be imported, and says once where it cannot. `triton` never falls back: on a
CPU it runs under Triton's interpreter, which `TRITON_INTERPRET=1` turns on, or not at all.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
from typing import Literal

from torch import Tensor

logger = logging.getLogger(__name__)

VARIABLE = "FIMSERVE_KERNELS"

Choice = Literal["auto", "ref", "triton"]
_CHOICES: dict[str, Choice] = {"auto": "auto", "ref": "ref", "triton": "triton"}


class KernelsUnavailable(RuntimeError):
    """Triton was asked for by name and cannot run here."""


def uses_triton(tensor: Tensor) -> bool:
    """Return whether operations on a tensor run as Triton kernels.

    Args:
        tensor: An operand.

    Returns:
        Whether they do.

    Raises:
        KernelsUnavailable: If Triton was asked for by name and cannot run on the tensor's device.
    """
    choice = read_choice()
    if choice == "ref" or (choice == "auto" and tensor.device.type != "cuda"):
        return False
    problem = find_problem(tensor.device.type)
    if problem is None:
        return True
    if choice == "triton":
        raise KernelsUnavailable(f"{VARIABLE} is triton, and {problem}; use auto or ref")
    _log_fallback(problem)
    return False


@functools.cache
def read_choice() -> Choice:
    """Return what the environment asks for.

    Returns:
        The choice; "auto" where it says nothing.

    Raises:
        KernelsUnavailable: If it asks for something unknown.
    """
    name = os.environ.get(VARIABLE, "auto")
    choice = _CHOICES.get(name)
    if choice is None:
        raise KernelsUnavailable(f"{VARIABLE} is {name!r}; use auto, ref or triton")
    return choice


@functools.cache
def find_problem(device_type: str) -> str | None:
    """Return why Triton cannot run on a device, None where it can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if device_type == "cuda":
        return None
    if device_type == "cpu" and is_interpreted():
        return None
    return f"it runs on {device_type} under its interpreter only (TRITON_INTERPRET=1)"


@functools.cache
def is_interpreted() -> bool:
    """Return whether our kernels were made for Triton's interpreter."""
    from triton.runtime.interpreter import InterpretedFunction

    from fimkernels.triton.norms import add_norm_kernel

    return isinstance(add_norm_kernel, InterpretedFunction)


@functools.cache
def _log_fallback(problem: str) -> None:
    logger.warning("kernels run as plain PyTorch: %s", problem)
