"""A run packed into parts goes on elsewhere; a part that is not whole is noticed."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fimtraining.portable import BrokenParts, Precision, app, grow, join, shrink, split
from fimtraining.pretrain import train
from fimtraining.process import Process
from fimtraining.recipe import load_recipe

ALONE = Process(0, 1, torch.device("cpu"))


@pytest.fixture
def run_dir(recipe_file: Path, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path) -> Path:
    """A run that stopped after 20 of 60 steps."""
    (tmp_path / "run").mkdir()
    train(
        load_recipe(recipe_file, []), corpus_dir, tokenizer_dir, tmp_path / "run",
        num_workers=0, resume=False, stop_after_s=0, process=ALONE,
    )  # fmt: skip
    return tmp_path / "run"


def carry(run_dir: Path, to: Path, *options: str) -> dict[str, object]:
    """Pack a run, unpack it elsewhere and return the new checkpoint."""
    parts = to.with_name(to.name + "-parts")
    packed = CliRunner().invoke(
        app, ["pack", str(run_dir), str(parts), "--part-mib", "0.01", *options]
    )
    assert packed.exit_code == 0, packed.output
    assert max(path.stat().st_size for path in parts.glob("part-*")) <= 0.01 * (1 << 20)
    assert len(list(parts.glob("part-*"))) > 1
    unpacked = CliRunner().invoke(app, ["unpack", str(parts), str(to)])
    assert unpacked.exit_code == 0, unpacked.output
    found: dict[str, object] = torch.load(to / "checkpoint.pt", weights_only=True)
    return found


@given(st.integers(0, 2**32), st.sampled_from(list(Precision)))
def test_weights_come_back_near_enough(seed: int, precision: Precision) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(6, 9, generator=generator)
    limit = {"fp32": 0.0, "bf16": 2**-8, "int8": 0.5 / 127}[precision.value]
    error = (grow(shrink(matrix, precision)) - matrix).abs()
    assert bool((error <= limit * matrix.abs().amax(1, keepdim=True) + 1e-7).all())


def test_whole_checkpoint_comes_back_as_it_was(run_dir: Path, tmp_path: Path) -> None:
    saved = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    found = carry(run_dir, tmp_path / "there", "--weights", "fp32", "--optimisers")
    assert found.keys() == saved.keys()
    assert (found["step"], found["positions"]) == (20, saved["positions"])
    model: dict[str, torch.Tensor] = found["model"]  # type: ignore[assignment]
    assert all(torch.equal(model[name], value) for name, value in saved["model"].items())


def test_momenta_come_back_near_enough(run_dir: Path, tmp_path: Path) -> None:
    saved = torch.load(run_dir / "checkpoint.pt", weights_only=True)["optimisers"][0]
    optimisers: list[dict[str, dict[int, dict[str, torch.Tensor]]]]
    optimisers = carry(run_dir, tmp_path / "there", "--optimisers")["optimisers"]  # type: ignore[assignment]
    assert optimisers[0]["param_groups"] == saved["param_groups"]
    assert len(saved["state"]) == 7  # matrices of one block
    for number, values in saved["state"].items():
        momentum = values["momentum_buffer"]
        found = optimisers[0]["state"][number]["momentum_buffer"]
        limit = 0.5 / 127 * momentum.abs().amax(1, keepdim=True)
        assert bool(((found - momentum).abs() <= limit + 1e-7).all())


def test_model_of_a_carried_run_is_that_of_the_run(
    run_dir: Path, recipe_file: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    carry(run_dir, tmp_path / "there", "--weights", "bf16")
    arguments = [tmp_path / "there", recipe_file, tokenizer_dir, tmp_path / "model"]
    done = CliRunner().invoke(app, ["model", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "model" / name).read_bytes() == (run_dir / "model" / name).read_bytes()


@pytest.mark.parametrize("options", [(), ("--optimisers",), ("--weights", "int8")])
def test_carried_run_goes_on_to_its_end(
    options: tuple[str, ...],
    run_dir: Path,
    recipe_file: Path,
    corpus_dir: Path,
    tokenizer_dir: Path,
    tmp_path: Path,
) -> None:
    carry(run_dir, tmp_path / "there", *options)
    train(
        load_recipe(recipe_file, []), corpus_dir, tokenizer_dir, tmp_path / "there",
        num_workers=0, resume=True, stop_after_s=1e9, process=ALONE,
    )  # fmt: skip
    lines = (tmp_path / "there" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows if "loss" in row] == [40, 60]
    before = (run_dir / "metrics.jsonl").read_text().splitlines()
    first = next(json.loads(line)["loss"] for line in before if '"loss"' in line)
    assert rows[-1]["validation/python"] < first


def test_fewer_bits_and_no_optimisers_take_fewer_bytes(run_dir: Path, tmp_path: Path) -> None:
    sizes = {}
    for name, options in (("small", ["--weights", "int8"]), ("whole", ["--optimisers"])):
        out = tmp_path / name
        CliRunner().invoke(app, ["pack", str(run_dir), str(out), *options])
        sizes[name] = sum(path.stat().st_size for path in out.glob("part-*"))
    assert sizes["small"] < sizes["whole"] < (run_dir / "checkpoint.pt").stat().st_size


@given(content=st.binary(min_size=1, max_size=400), size=st.integers(1, 100))
def test_parts_add_up(content: bytes, size: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("parts")
    paths = split(content, out, size / (1 << 20))
    assert len(paths) == -(-len(content) // size)
    assert join(out) == content


def test_fewer_parts_leave_none_of_an_earlier_call(tmp_path: Path) -> None:
    split(bytes(100), tmp_path, 10 / (1 << 20))
    split(bytes(15), tmp_path, 10 / (1 << 20))
    assert len(list(tmp_path.glob("part-*"))) == 2


def test_missing_or_damaged_parts_are_named(tmp_path: Path) -> None:
    paths = split(bytes(range(100)), tmp_path, 40 / (1 << 20))
    paths[1].write_bytes(b"other")
    with pytest.raises(BrokenParts, match=r"part-001\.bin.*not what was packed"):
        join(tmp_path)
    paths[1].unlink()
    with pytest.raises(BrokenParts, match=r"part-001\.bin is missing"):
        join(tmp_path)
