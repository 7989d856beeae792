"""Reads a LoRA adapter from a directory as PEFT saves it: adapter_config.json and safetensors.

Every tensor must be one half of a low-rank pair whose rank the config knows; a pickle is refused,
because loading one runs code. Knows nothing of the model that the adapter is for.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fimserve.models.adapter import Adapter, LowRankChange
from fimserve.models.adapter_config import CONFIG_FILE, AdapterConfig, parse_adapter_config
from fimserve.models.errors import BrokenCheckpoint, PickleCheckpointRefused, UnsupportedModel
from fimserve.models.json_file import read_json
from fimserve.models.weight_files import open_weights

WEIGHTS_FILE = "adapter_model.safetensors"
PICKLE_FILE = "adapter_model.bin"

_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


def read_adapter(directory: Path) -> Adapter:
    """Return the adapter in a directory.

    Fails with UnsupportedModel if it is more than plain LoRA on linear layers, and with
    PickleCheckpointRefused if its weights are a pickle.

    Args:
        directory: What PEFT's `save_pretrained` wrote.

    Returns:
        The adapter, on the CPU; `CausalModel.add_adapter` takes it.

    Raises:
        BrokenCheckpoint: If files or tensors are missing, damaged or contradict each other.
    """
    config_path, weights_path = directory / CONFIG_FILE, directory / WEIGHTS_FILE
    config = parse_adapter_config(read_json(config_path), str(config_path))
    if not weights_path.exists():
        _refuse_pickle(directory)
        raise BrokenCheckpoint(f"{directory} holds no {WEIGHTS_FILE}")
    with open_weights(weights_path) as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    modules = sorted({_module_of(name, str(weights_path)) for name in tensors})
    if not modules:
        raise BrokenCheckpoint(f"{weights_path} holds no tensors")
    changes = {module: _pair(module, tensors, config, str(weights_path)) for module in modules}
    return Adapter(str(directory), config.base_model, changes)


def _module_of(name: str, source: str) -> str:
    for suffix in (_DOWN, _UP):
        if name.startswith(_PREFIX) and name.endswith(suffix):
            return name[len(_PREFIX) : -len(suffix)]
    raise UnsupportedModel(
        f"{source}: {name!r} is no factor of a linear layer ({_PREFIX}...{_DOWN} or {_UP}); only "
        "plain LoRA on linear layers is served"
    )


def _pair(
    module: str, tensors: dict[str, Tensor], config: AdapterConfig, source: str
) -> LowRankChange:
    halves: list[Tensor] = []
    for suffix in (_DOWN, _UP):
        tensor = tensors.get(f"{_PREFIX}{module}{suffix}")
        if tensor is None:
            raise BrokenCheckpoint(f"{source}: {module!r} lacks its {suffix.removeprefix('.')}")
        if tensor.ndim != 2 or not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise BrokenCheckpoint(
                f"{source}: {suffix.removeprefix('.')} of {module!r} is no matrix of finite numbers"
            )
        halves.append(tensor)
    down, up = halves
    rank = config.rank_of(module)
    if down.shape[0] != rank or up.shape[1] != rank:
        raise BrokenCheckpoint(
            f"{source}: the factors of {module!r} have ranks {down.shape[0]} and {up.shape[1]}, "
            f"{CONFIG_FILE} says {rank}"
        )
    return LowRankChange(down, up, config.scale_of(module))


def _refuse_pickle(directory: Path) -> None:
    if not (directory / PICKLE_FILE).exists():
        return
    raise PickleCheckpointRefused(
        f"{directory} holds its weights only as a pickle ({PICKLE_FILE}), and loading a pickle may "
        "run whatever code is in it. If you trust it, convert it once: "
        'python -c "import torch; from safetensors.torch import save_file; d = '
        f"{str(directory)!r}; t = torch.load(d + '/{PICKLE_FILE}', 'cpu', weights_only=True); "
        f"save_file({{k: v.contiguous() for k, v in t.items()}}, d + '/{WEIGHTS_FILE}')\""
    )
