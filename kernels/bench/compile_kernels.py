"""Compile every kernel for a card without having one: does it compile, what does it use?

    python kernels/bench/compile_kernels.py --capability 90

Prints registers, spills and shared memory of each kernel as the compiler reports them, on the
shapes that a step of a 1.3B llama (bf16, and its matrices quantised) launches. Nothing runs: the
launch functions are given CPU tensors, and Triton is told to stop before the launch. Needs the
compiler that comes with Triton's wheel, and `TRITON_INTERPRET` unset.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from fimkernels.packed_weight import Form, quantise_weight
from fimkernels.ref.matmul import NormOf
from fimkernels.ref.sampling import pack_mask
from fimkernels.triton import (
    activations,
    attention,
    decode_attention,
    lora,
    matmul,
    norms,
    rope,
    sampling,
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """Holds what the compiler says of one kernel."""

    name: str
    num_registers: int
    spill_bytes: int
    shared_bytes: int


class AbsentCard:
    """Stands for a card in Triton's eyes: enough to compile for it, nothing to run on it."""

    def __init__(self, capability: int) -> None:
        self._target = GPUTarget("cuda", capability, 32)

    def get_current_target(self) -> GPUTarget:
        """Return what to compile for."""
        return self._target

    def get_current_device(self) -> int:
        """Return the number of the card."""
        return 0

    def get_current_stream(self, device: int) -> int:
        """Return the stream that nothing is launched on."""
        return 0

    def get_active_torch_device(self) -> torch.device:
        """Return where tensors are."""
        return torch.device("cpu")


@contextmanager
def only_compiling(capability: int, found: list[Any]) -> Iterator[None]:
    """Let every launch compile its kernel for a card, and collect what comes out."""
    run = JITFunction.run
    before = driver._active if hasattr(driver, "_active") else None

    def compile_only(kernel: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
        compiled = run(kernel, *args, grid=grid, warmup=True, **options)
        found.append(compiled)
        return compiled

    driver.set_active(AbsentCard(capability))
    JITFunction.run = compile_only
    try:
        yield
    finally:
        JITFunction.run = run
        if before is not None:
            driver.set_active(before)


def list_launches() -> list[Callable[[], object]]:
    """Return calls that together launch every kernel in the forms a step uses."""
    kind = torch.bfloat16
    size, inner, heads, head_dim = 2048, 512, 4, 128

    def few(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, dtype=kind)

    calls: list[Callable[[], object]] = []
    weight, bias = few(1, size)[0], few(1, size)[0]
    calls.append(lambda: norms.add_rms_norm(few(2, size), few(2, size), weight, 1e-5))
    calls.append(lambda: norms.add_layer_norm(few(2, size), None, weight, bias, 1e-5))
    calls.append(lambda: activations.silu_and_multiply(few(2, 2 * inner)))
    calls.append(lambda: activations.gelu_tanh(few(2, inner)))
    memory = torch.zeros(2, 256, heads, head_dim, dtype=kind)
    angles = few(2, head_dim)
    slots = torch.arange(2)
    calls.append(
        lambda: rope.rotate_and_store(
            few(2, 3 * heads * head_dim), None, (angles, angles), memory, slots, heads
        )
    )
    calls.append(
        lambda: decode_attention.decode_attention(
            few(1, 3 * heads * head_dim), None, (angles, angles), memory, slots, slots,
            torch.zeros(1, 8, dtype=torch.int32), torch.tensor([[0, 0, 1]], dtype=torch.int32),
            torch.zeros(heads, dtype=torch.int32),
            scale=0.1, block_tokens=32, num_splits=32,
        )
    )  # fmt: skip
    for group, tile_rows, num_splits in ((1, 1, 8), (12, 1, 4), (1, 64, 1), (12, 8, 1)):
        calls.append(lambda g=group, r=tile_rows, n=num_splits: attend(memory, g, r, n))
    forms: list[tuple[Form, int | None]] = [
        ("dense", None), ("int8", None), ("int8", 128), ("fp8", None), ("int4", 128),
    ]  # fmt: skip
    for form, scale_group in forms:
        matrix = quantise_weight(few(2 * inner, size), form, scale_group)
        for rows in (1, 16, 64):
            calls.append(lambda m=matrix, r=rows: matmul.multiply(few(r, size), m, None, "swiglu"))
        for norm in (NormOf(weight, None, 1e-5), NormOf(weight, bias, 1e-5)):
            calls.append(
                lambda m=matrix, n=norm: matmul.multiply(few(1, size), m, activation="gelu", norm=n)
            )
    tiles = torch.tensor([[0, 0, 2]], dtype=torch.int32)
    down, up = torch.zeros(1, size, 16, dtype=kind), torch.zeros(1, 16, inner, dtype=kind)
    ranks = torch.tensor([16], dtype=torch.int32)
    for rows in (16, 64):
        calls.append(
            lambda r=rows: lora.add_lora(few(2, inner), few(2, size), down, up, ranks, tiles, r)
        )
    knobs = [torch.ones(2) for _ in range(5)]
    knobs[1] = knobs[1].int()
    mask = pack_mask(torch.ones(2, 32256, dtype=torch.bool))
    calls.append(lambda: sampling.sample(torch.randn(2, 32256), mask, *knobs))
    return calls


def attend(memory: torch.Tensor, group: int, tile_rows: int, num_splits: int) -> object:
    """Launch attention over a pool of one layer."""
    num_kv_heads, head_dim = memory.shape[2:]
    return attention.paged_attention(
        torch.zeros(tile_rows, num_kv_heads * group, head_dim, dtype=memory.dtype),
        memory,
        torch.zeros(tile_rows, dtype=torch.int64),
        torch.zeros(1, 8, dtype=torch.int32),
        torch.tensor([[0, 0, tile_rows]], dtype=torch.int32),
        scale=0.1,
        block_tokens=32,
        tile_rows=tile_rows,
        num_splits=num_splits,
    )


def find_assembler() -> Path:
    """Return the newer assembler in Triton's wheel, which takes what the compiler writes."""
    folder = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    newer = folder / "ptxas-blackwell"
    return newer if newer.exists() else folder / "ptxas"


def describe(compiled: Any, capability: int) -> Compiled:
    """Return what the assembler says of a kernel's PTX."""
    architecture = f"sm_{capability}a" if capability >= 90 else f"sm_{capability}"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(compiled.asm["ptx"])
        command = [
            str(find_assembler()), "-v", f"--gpu-name={architecture}", str(source),
            "-o", str(source.with_suffix(".cubin")),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{compiled.metadata.name}: {done.stderr}")
        said = done.stderr + done.stdout
    registers = re.search(r"Used (\d+) registers", said)
    spills = re.findall(r"(\d+) bytes spill", said)
    return Compiled(
        compiled.metadata.name,
        int(registers[1]) if registers else 0,
        sum(map(int, spills)),
        compiled.metadata.shared,
    )


def main() -> None:
    """Parse the command line, compile, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capability", type=int, default=90, help="of the card, times ten")
    arguments = parser.parse_args()
    if not find_assembler().exists():
        sys.exit(f"{find_assembler()} is not there; this triton cannot compile for CUDA")
    found: list[Any] = []
    with only_compiling(arguments.capability, found):
        for call in list_launches():
            call()
    print(f"triton {triton.__version__}, capability {arguments.capability / 10}")
    for compiled in found:
        about = describe(compiled, arguments.capability)
        print(
            f"{about.name:26} {about.num_registers:4} registers {about.spill_bytes:6} bytes "
            f"spilled {about.shared_bytes:7} bytes shared"
        )


if __name__ == "__main__":
    main()
