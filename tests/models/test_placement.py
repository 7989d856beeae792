"""Device and precision are chosen by what the machine has, or refused with what it has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fimserve.models import ModelError, Precision, placement
from fimserve.models.placement import choose_device, choose_precision, read_cpu_flags

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("flags", "device", "expected"),
    [
        ({"avx2"}, CPU, torch.float32),
        (set(), CPU, torch.float32),
        ({"avx2", "avx512_bf16"}, CPU, torch.bfloat16),
        ({"amx_bf16", "amx_tile"}, CPU, torch.bfloat16),
        ({"avx2"}, CUDA, torch.bfloat16),
    ],
)
def test_auto_takes_bf16_where_the_hardware_multiplies_in_it(
    flags: set[str], device: torch.device, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "read_cpu_flags", lambda: frozenset(flags))
    assert choose_precision("auto", device, False) == Precision(expected)


def test_a_precision_asked_for_is_taken() -> None:
    assert choose_precision("bf16", CPU, True) == Precision(torch.bfloat16)
    assert choose_precision("float32", CUDA, False) == Precision(torch.float32)
    with pytest.raises(
        ModelError, match="dtype is 'int4'; use auto, fp32, bf16, int8 or int8-dynamic"
    ):
        choose_precision("int4", CPU, False)


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni", "amx_int8"])
def test_auto_multiplies_stored_int8_as_integers_where_that_is_exact(
    flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    integers = Precision(torch.float32, "int8-dynamic")
    monkeypatch.setattr(placement, "read_cpu_flags", lambda: frozenset({"avx2", flag}))
    assert choose_precision("auto", CPU, True) == integers
    assert choose_precision("auto", CPU, False) == Precision(torch.float32)
    assert choose_precision("auto", CUDA, True) == Precision(torch.bfloat16)
    assert choose_precision("int8-dynamic", CPU, False) == integers
    assert choose_precision("int8", CPU, False) == Precision(torch.float32, "int8")
    assert choose_precision("int8", CUDA, False) == Precision(torch.bfloat16, "int8")


def test_integers_are_refused_where_they_may_saturate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "read_cpu_flags", lambda: frozenset({"avx2"}))
    assert choose_precision("auto", CPU, True) == Precision(torch.float32)
    for device in (CPU, CUDA):
        with pytest.raises(ModelError, match="int8-dynamic', which needs a CPU with VNNI or AMX"):
            choose_precision("int8-dynamic", device, True)


@pytest.mark.parametrize(("has_cuda", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_where_there_is_one(
    has_cuda: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert choose_device("auto").type == expected


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda") == torch.device("cuda")
    with pytest.raises(ModelError, match=r"device is 'cuda:1'.* sees 1 CUDA devices"):
        choose_device("cuda:1")
    with pytest.raises(ModelError, match="device is 'gpu'; use auto, cpu"):
        choose_device("gpu")


def test_flags_are_read_from_x86_and_arm_and_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\nflags\t\t: x\n", "ascii")
    assert read_cpu_flags(path) == {"fpu", "avx2", "amx_bf16"}
    path.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n", "ascii")
    assert "bf16" in read_cpu_flags(path)
    assert read_cpu_flags(tmp_path / "absent") == frozenset()
