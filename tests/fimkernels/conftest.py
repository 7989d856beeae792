"""Every kernel against its reference: on a CUDA device, else under Triton's interpreter.

The interpreter is chosen in `tests/conftest.py`. It rounds to bf16 as the hardware does and cannot
multiply bf16 matrices (`support.error_rule.DOT_TYPES`); it takes about a millisecond an operation,
so shapes are small.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("triton", reason="kernels need triton")

from support.poison import PoisonedOutputs

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Matrices this small are slower on two threads, and far slower on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture
def device() -> torch.device:
    return DEVICE


@pytest.fixture
def generator() -> torch.Generator:
    """Random numbers, the same in every run."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Iterator[PoisonedOutputs]:
    """Give every kernel outputs full of NaN between guard rows, and look at those afterwards."""
    outputs = PoisonedOutputs()
    for name in ("activations", "attention", "lora", "matmul", "norms", "rope", "sampling"):
        monkeypatch.setattr(f"fimkernels.triton.{name}.empty_output", outputs.make)
    yield outputs
    outputs.check_guards()
