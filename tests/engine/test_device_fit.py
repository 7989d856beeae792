"""What is left to the device is decided once, and what was asked for stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fimserve.engine import EngineSettings
from fimserve.engine.device_fit import fit_settings

GIB = 1 << 30
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_a_cpu_takes_small_steps_one_operation_after_the_other() -> None:
    fitted = fit_settings(EngineSettings(), CPU)
    assert fitted == EngineSettings(kv_memory_mib=1024, max_step_tokens=256, gpu_path="eager")


def test_a_gpu_takes_most_of_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    fitted = fit_settings(EngineSettings(), CUDA)
    assert (fitted.kv_memory_mib, fitted.max_step_tokens) == (7168, 2048)
    assert fitted.gpu_path == "graphs"


def test_without_triton_a_gpu_launches_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert fit_settings(EngineSettings(), CUDA).gpu_path == "eager"


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_what_was_asked_for_stays(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    asked = EngineSettings(kv_memory_mib=5, max_step_tokens=7, gpu_path="graphs")
    assert fit_settings(asked, device) == asked
    assert fit_settings(replace(asked, gpu_path="eager"), device).gpu_path == "eager"
