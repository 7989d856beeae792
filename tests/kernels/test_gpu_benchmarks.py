"""What the GPU benchmarks are made of works without a GPU; no time is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.models import load_model
from support.tiny_checkpoint import write_tiny_checkpoint

BENCH = Path(__file__).parents[2] / "kernels" / "bench"


def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    return subprocess.run(
        [sys.executable, str(BENCH / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )


@pytest.mark.parametrize("name", ["deepseek-coder-1.3b", "starcoder2-3b"])
def test_a_random_checkpoint_of_a_shape_loads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from model_shapes import SHAPES, write_random_checkpoint

    small = replace(
        SHAPES[name], hidden_size=256, intermediate_size=64, num_layers=1, num_heads=2,
        num_kv_heads=2, vocab_size=16640,
    )  # fmt: skip
    directory = write_random_checkpoint(small, tmp_path / name)
    loaded = load_model(str(directory), "cpu", "fp32")
    assert loaded.config.model_type == small.model_type
    assert loaded.config.head_dim == 128


def test_recorded_steps_are_compared_with_plain_ones(tmp_path: Path) -> None:
    model = str(write_tiny_checkpoint(tmp_path))
    done = run_script(
        "bench_recorded_steps.py", "--model", model, "--device", "cpu", "--dtype", "fp32",
        "--context", "40", "--rows", "1", "2", "--n", "1", "--adapter-rank", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert [one["name"] for one in result["timings"]] == [
        "1 token of 1", "1 token of 2", "16 tokens of 1",
        "1 token of 1, adapters", "1 token of 2, adapters", "1 token of 2, half on adapters",
        "16 tokens of 1, adapters",
    ]  # fmt: skip


def test_the_hosts_time_is_told_cold_and_typed() -> None:
    done = run_script("bench_host.py", "--tokens", "200", "--n", "4")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert [one["name"] for one in result["timings"]] == ["cold", "keystroke"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_kernel_compiles_for_hopper() -> None:
    pytest.importorskip("triton")
    done = run_script("compile_kernels.py", "--capability", "90")
    if "cannot compile for CUDA" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    kernels = {line.split()[0] for line in done.stdout.splitlines()[1:]}
    assert len(kernels) == 12
