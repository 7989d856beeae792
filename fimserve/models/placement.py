"""Where a model runs and in which precision, when the user leaves it to us.

auto device: the first CUDA device, else the CPU. auto precision: bf16 on a GPU; on a CPU with VNNI
or AMX int8-dynamic for checkpoints that are stored as int8; else bf16 only where the CPU multiplies
in bf16 (AVX-512 BF16, AMX, Arm BF16), else fp32. Measured on 2 cores with AVX2 alone, 46M
parameters, torch 2.13: a prompt of 1024 tokens takes 3.9 s in bf16 and 0.65 s in fp32; one further
token 16 ms and 28 ms, which does not make up for it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from fimserve.models.errors import ModelError
from fimserve.models.precision import Precision

DTYPES = {
    "bf16": torch.bfloat16,
    "bfloat16": torch.bfloat16,
    "fp32": torch.float32,
    "float32": torch.float32,
}
"""Precisions without int8, by the names users write."""
NAMES = ("auto", "fp32", "bf16", "int8", "int8-dynamic")
"""What a user may ask for, torch's long names aside."""
CPU_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})
"""Flags in /proc/cpuinfo of x86 and Arm CPUs that multiply in bf16."""
CPU_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Flags of x86 CPUs whose integer product is exact; without them torch's may saturate."""


def choose_device(name: str) -> torch.device:
    """Return the device of a name.

    Args:
        name: "auto" or what torch understands, such as "cpu" or "cuda:1".

    Returns:
        The device.

    Raises:
        ModelError: If torch knows no such device or this machine has none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"device is {name!r}; use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"device is {name!r}, and torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices here; use auto or cpu"
        )
    return device


def choose_precision(name: str, device: torch.device, quantised: bool) -> Precision:
    """Return the precision of a name.

    Args:
        name: One of `NAMES`, or torch's long names for fp32 and bf16.
        device: Where the model will run.
        quantised: Whether the checkpoint's matrices are stored as int8.

    Returns:
        The precision of activations and matrices.

    Raises:
        ModelError: If the name is none of these, or the device cannot do it.
    """
    if name in DTYPES:
        return Precision(DTYPES[name])
    if name == "int8":
        return Precision(_choose_dtype(device), "int8")
    if name == "int8-dynamic":
        if device.type != "cpu" or not CPU_INT8_FLAGS & read_cpu_flags():
            raise ModelError(
                "dtype is 'int8-dynamic', which needs a CPU with VNNI or AMX; use auto or int8"
            )
        return Precision(torch.float32, "int8-dynamic")
    if name != "auto":
        raise ModelError(f"dtype is {name!r}; use {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if quantised and device.type == "cpu" and CPU_INT8_FLAGS & read_cpu_flags():
        return Precision(torch.float32, "int8-dynamic")
    return Precision(_choose_dtype(device))


def _choose_dtype(device: torch.device) -> torch.dtype:
    if device.type != "cpu" or CPU_BF16_FLAGS & read_cpu_flags():
        return torch.bfloat16
    return torch.float32


def read_cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the instruction sets the CPU names; empty where the system does not say."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip().lower() in {"flags", "features"}:
            return frozenset(value.split())
    return frozenset()
