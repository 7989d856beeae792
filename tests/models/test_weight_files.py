"""Weights come from safetensors, one file or many, and from nothing else."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fimserve.models import BrokenCheckpoint, PickleCheckpointRefused, load_model
from fimserve.models.weight_files import INDEX_FILE, SINGLE_FILE, WeightFiles


class Trap:
    """Creates a file where its pickle is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


def split_into_shards(directory: Path) -> None:
    """Replace the single file by two, in no order of names, and their index."""
    tensors = load_file(directory / SINGLE_FILE)
    (directory / SINGLE_FILE).unlink()
    weight_map = {}
    for number in (1, 2):
        file = f"model-0000{number}-of-00002.safetensors"
        part = {name: tensors[name] for name in list(tensors)[number % 2 :: 2]}
        save_file(part, directory / file)
        weight_map |= dict.fromkeys(part, file)
    write_index(directory, weight_map)


def write_index(directory: Path, weight_map: dict[str, str]) -> None:
    (directory / INDEX_FILE).write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")


def test_shards_hold_what_the_single_file_holds(own_directory: Path) -> None:
    expected = load_file(own_directory / SINGLE_FILE)
    split_into_shards(own_directory)
    with WeightFiles(own_directory) as files:
        assert files.names == expected.keys()
        assert all(torch.equal(files.read(name), expected[name]) for name in expected)


def test_a_missing_shard_is_named(own_directory: Path) -> None:
    split_into_shards(own_directory)
    (own_directory / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BrokenCheckpoint, match=r"00002-of-00002\.safetensors is missing"):
        WeightFiles(own_directory)


@pytest.mark.parametrize("file", ["../other.safetensors", "/etc/passwd", "sub/x.safetensors"])
def test_an_index_that_points_elsewhere_is_not_followed(file: str, own_directory: Path) -> None:
    (own_directory / SINGLE_FILE).unlink()
    write_index(own_directory, {"model.norm.weight": file})
    with pytest.raises(BrokenCheckpoint, match="outside its directory"):
        WeightFiles(own_directory)


def test_an_index_without_a_map_is_refused(own_directory: Path) -> None:
    (own_directory / SINGLE_FILE).unlink()
    (own_directory / INDEX_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(BrokenCheckpoint, match="no 'weight_map'"):
        WeightFiles(own_directory)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_a_damaged_file_is_named(keep: int, own_directory: Path) -> None:
    path = own_directory / SINGLE_FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BrokenCheckpoint, match=r"model\.safetensors is damaged"):
        WeightFiles(own_directory)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model-00001-of-00002.bin"])
def test_a_pickle_is_refused_and_never_opened(name: str, own_directory: Path) -> None:
    (own_directory / SINGLE_FILE).unlink()
    canary = own_directory / "canary"
    (own_directory / name).write_bytes(pickle.dumps(Trap(canary)))
    with pytest.raises(PickleCheckpointRefused, match=r"save_pretrained\('CONVERTED'\)"):
        WeightFiles(own_directory)
    assert not canary.exists()


def test_the_command_of_the_refusal_converts_it(own_directory: Path, tmp_path: Path) -> None:
    before = load_file(own_directory / SINGLE_FILE)
    (own_directory / SINGLE_FILE).unlink()
    torch.save(before, own_directory / "pytorch_model.bin")
    with pytest.raises(PickleCheckpointRefused) as caught:
        load_model(str(own_directory), "cpu")
    command = str(caught.value).split('python -c "')[1].split('" and load')[0]
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True, capture_output=True)
    converted = load_model(str(tmp_path / "CONVERTED"), "cpu", "fp32").model
    assert torch.equal(converted.parts.norm.weight, before["model.norm.weight"])


def test_a_pickle_beside_safetensors_does_not_matter(own_directory: Path) -> None:
    (own_directory / "pytorch_model.bin").write_bytes(b"never read")
    with WeightFiles(own_directory) as files:
        assert "model.norm.weight" in files.names


def test_a_directory_without_weights_is_refused(own_directory: Path) -> None:
    (own_directory / SINGLE_FILE).unlink()
    with pytest.raises(BrokenCheckpoint, match="holds no weights"):
        WeightFiles(own_directory)


def test_a_tensor_that_is_not_there_is_named(tiny_directory: Path) -> None:
    with (
        WeightFiles(tiny_directory) as files,
        pytest.raises(BrokenCheckpoint, match=r"no tensor 'model\.nose\.weight'"),
    ):
        files.read("model.nose.weight")


def test_an_int8_matrix_is_multiplied_out_by_its_row_scales(tmp_path: Path) -> None:
    codes = torch.tensor([[127, -127, 1], [0, 64, -3]], dtype=torch.int8)
    scale = torch.tensor([[0.5], [0.25]])
    save_file({"a.weight": codes, "a.weight_scale": scale}, tmp_path / SINGLE_FILE)
    with WeightFiles(tmp_path) as files:
        dense = files.read_dense("a.weight")
    assert torch.equal(dense, torch.tensor([[63.5, -63.5, 0.5], [0.0, 16.0, -0.75]]))


@pytest.mark.parametrize("shape", [(), (2,), (1, 2), (2, 3)])
def test_a_scale_of_another_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    tensors = {
        "a.weight": torch.ones(2, 3, dtype=torch.int8),
        "a.weight_scale": torch.ones(shape),
    }
    save_file(tensors, tmp_path / SINGLE_FILE)
    with (
        WeightFiles(tmp_path) as files,
        pytest.raises(BrokenCheckpoint, match=r"one scale per row is \[2, 1\]"),
    ):
        files.read_dense("a.weight")


def test_an_int8_matrix_without_scale_is_refused(tmp_path: Path) -> None:
    save_file({"a.weight": torch.ones(2, 3, dtype=torch.int8)}, tmp_path / SINGLE_FILE)
    with (
        WeightFiles(tmp_path) as files,
        pytest.raises(BrokenCheckpoint, match=r"no tensor 'a\.weight_scale'"),
    ):
        files.read_dense("a.weight")
