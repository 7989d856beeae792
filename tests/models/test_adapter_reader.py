"""An adapter's files: plain LoRA is read, everything else is refused by name."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fimserve.models import (
    BrokenCheckpoint,
    PickleCheckpointRefused,
    UnsupportedModel,
    read_adapter,
)

DOWN = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
UP = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"
MODULE = "model.layers.0.mlp.up_proj"


def write_adapter(directory: Path, **keys: object) -> Path:
    """Write the files by hand: two factors of rank 2."""
    directory.mkdir(exist_ok=True)
    config: dict[str, object] = {"peft_type": "LORA", "r": 2, "lora_alpha": 8} | keys
    (directory / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {DOWN: torch.ones(2, 5), UP: torch.full((7, 2), 3.0)}
    save_file(tensors, directory / "adapter_model.safetensors")
    return directory


def test_names_factors_and_scale_are_those_of_the_files(tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path, base_model_name_or_path="some/base"))
    assert (adapter.source, adapter.base_model) == (str(tmp_path), "some/base")
    (module,) = adapter.changes
    change = adapter.changes[module]
    assert module == MODULE
    assert (change.shape, change.scale) == ((7, 5), 4.0)
    assert torch.equal(change.up @ change.down, torch.full((7, 5), 6.0))


@pytest.mark.parametrize(
    ("keys", "scale"),
    [
        ({"use_rslora": True}, 8 / math.sqrt(2)),
        ({"alpha_pattern": {"up_proj": 3}}, 1.5),
        ({"alpha_pattern": {"p_proj": 3}}, 4.0),  # a whole part of the name, or none
        ({"alpha_pattern": {r"layers\.[01]\.mlp\.(up|down)_proj": 5.0, "up_proj": 3}}, 2.5),
        ({"r": 16, "rank_pattern": {"mlp.up_proj": 2}}, 4.0),
        ({"lora_dropout": 0.5, "target_modules": ["q_proj"], "fan_in_fan_out": True}, 4.0),
        ({"init_lora_weights": "gaussian", "bias": "none", "modules_to_save": None}, 4.0),
    ],
)
def test_the_scale_follows_the_config(
    keys: dict[str, object], scale: float, tmp_path: Path
) -> None:
    adapter = read_adapter(write_adapter(tmp_path, **keys))
    assert adapter.changes[MODULE].scale == pytest.approx(scale)
    assert adapter.base_model is None


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"peft_type": "IA3"}, "'peft_type' is 'IA3', not 'LORA'"),
        ({"use_dora": True}, "'use_dora' asks for DoRA"),
        ({"bias": "lora_only"}, "'bias' is 'lora_only'"),
        ({"lora_bias": True}, "'lora_bias' asks for a bias"),
        ({"modules_to_save": ["lm_head"]}, "'modules_to_save' asks for whole modules"),
        ({"trainable_token_indices": [3]}, "'trainable_token_indices' asks for"),
        ({"layer_replication": [[0, 1]]}, "'layer_replication' asks for"),
        ({"alora_invocation_tokens": [1]}, "asks for activated LoRA"),
        ({"init_lora_weights": "pissa_niter_4"}, r"'pissa_niter_4'.*base model itself; convert"),
    ],
)
def test_more_than_lora_is_refused_by_name(
    keys: dict[str, object], named: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match=named):
        read_adapter(write_adapter(tmp_path, **keys))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"r": None}, "lacks 'r'"),
        ({"lora_alpha": "8"}, "'lora_alpha' is '8'"),
        ({"r": 4}, "ranks 2 and 2, adapter_config.json says 4"),
        ({"rank_pattern": {"up_proj": 3}}, "ranks 2 and 2, adapter_config.json says 3"),
        ({"rank_pattern": {"up_proj": -1}}, "rank_pattern: 'up_proj' is -1"),
        ({"alpha_pattern": ["up_proj"]}, "'alpha_pattern' is .*, not a map"),
        ({"alpha_pattern": {"(": 3}}, "no regular expression"),
    ],
)
def test_a_config_that_contradicts_itself_is_named(
    keys: dict[str, object], named: str, tmp_path: Path
) -> None:
    with pytest.raises(BrokenCheckpoint, match=named):
        read_adapter(write_adapter(tmp_path, **keys))


@pytest.mark.parametrize(
    ("edit", "error", "named"),
    [
        (lambda t: t.clear(), BrokenCheckpoint, "holds no tensors"),
        (lambda t: t.pop(UP), BrokenCheckpoint, f"'{MODULE}' lacks its lora_B.weight"),
        (lambda t: t.update({UP: torch.ones(7, 3)}), BrokenCheckpoint, "ranks 2 and 3"),
        (lambda t: t.update({UP: torch.ones(14)}), BrokenCheckpoint, "no matrix of finite"),
        (lambda t: t[UP].fill_(math.nan), BrokenCheckpoint, "no matrix of finite"),
        (lambda t: t.update({UP: torch.ones(7, 2).int()}), BrokenCheckpoint, "no matrix of finite"),
        (
            lambda t: t.update({DOWN.replace("lora_A.weight", "lora_magnitude_vector"): t[DOWN]}),
            UnsupportedModel,
            "lora_magnitude_vector' is no factor of a linear layer",
        ),
        (
            lambda t: t.update({"base_model.model.model.embed_tokens.lora_embedding_A": t[DOWN]}),
            UnsupportedModel,
            "lora_embedding_A' is no factor of a linear layer",
        ),
        (
            lambda t: t.update({"model.layers.0.mlp.up_proj.weight": t[DOWN]}),
            UnsupportedModel,
            "'model.layers.0.mlp.up_proj.weight' is no factor",
        ),
    ],
)
def test_tensors_that_are_no_pairs_are_named(
    edit: Callable[[dict[str, Tensor]], object],
    error: type[Exception],
    named: str,
    tmp_path: Path,
) -> None:
    directory = write_adapter(tmp_path)
    tensors = {k: v.clone() for k, v in load_file(directory / "adapter_model.safetensors").items()}
    edit(tensors)
    save_file({k: v.clone() for k, v in tensors.items()}, directory / "adapter_model.safetensors")
    with pytest.raises(error, match=named):
        read_adapter(directory)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenCheckpoint, match=r"adapter_config\.json does not exist"):
        read_adapter(tmp_path)
    weights = write_adapter(tmp_path) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(BrokenCheckpoint, match=r"adapter_model\.safetensors is damaged"):
        read_adapter(tmp_path)
    weights.unlink()
    with pytest.raises(BrokenCheckpoint, match=r"holds no adapter_model\.safetensors"):
        read_adapter(tmp_path)


class Trap:
    """Creates a file where its pickle is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "canary")))
    with pytest.raises(PickleCheckpointRefused, match="may run whatever code is in it"):
        read_adapter(tmp_path)
    assert not (tmp_path / "canary").exists()


def test_the_command_of_the_refusal_converts_it(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    before = load_file(tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_model.safetensors").unlink()
    torch.save(before, tmp_path / "adapter_model.bin")
    with pytest.raises(PickleCheckpointRefused) as caught:
        read_adapter(tmp_path)
    command = str(caught.value).split('python -c "')[1].removesuffix('"')
    subprocess.run([sys.executable, "-c", command], check=True)
    change = read_adapter(tmp_path).changes[MODULE]
    assert torch.equal(change.down, before[DOWN])
