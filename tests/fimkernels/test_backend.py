"""Which implementation runs where, and what the import costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from fimkernels import backend, ops
from fimkernels.backend import KernelsUnavailable, read_choice, uses_triton


@pytest.fixture(autouse=True)
def _fresh_choice() -> Iterator[None]:
    read_choice.cache_clear()
    yield
    read_choice.cache_clear()


def test_a_cpu_runs_the_reference_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    assert not uses_triton(torch.zeros(1))


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.VARIABLE, "fast")
    with pytest.raises(KernelsUnavailable, match="'fast'; use auto, ref or triton"):
        uses_triton(torch.zeros(1))


def test_triton_by_name_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.VARIABLE, "triton")
    monkeypatch.setattr(backend, "find_problem", lambda device: "it is switched off")
    with pytest.raises(KernelsUnavailable, match="it is switched off; use auto or ref"):
        uses_triton(torch.zeros(1))


def test_the_door_leads_to_the_kernel(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setenv(backend.VARIABLE, "triton")
    x = torch.randn(2, 32, device=device)
    normed, _ = ops.add_rms_norm(x, None, torch.ones(32, device=device), 0.0)
    torch.testing.assert_close(normed, torch.nn.functional.rms_norm(x, (32,)))


def test_the_package_imports_neither_torch_nor_triton() -> None:
    code = (
        "import sys, fimserve, fimkernels\n"
        "assert not {'torch', 'triton'} & set(sys.modules), 'heavy import'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
