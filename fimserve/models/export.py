"""Writing a checkpoint as a plain Hugging Face directory in one floating-point precision.

For tools that do not read the int8 layout; the result has no `quantization_config`. A LoRA adapter
may be added to the weights on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from fimserve.models.adapter import Adapter, LowRankChange
from fimserve.models.checkpoint_directory import copy_side_files
from fimserve.models.errors import AdapterMismatch
from fimserve.models.families import read_model_config
from fimserve.models.json_file import read_json, write_json
from fimserve.models.quantise import quantise_checkpoint
from fimserve.models.weight_files import WeightFiles, is_scale, write_weights


def export_checkpoint(
    source: Path,
    target: Path,
    dtype: torch.dtype = torch.bfloat16,
    adapter: Adapter | None = None,
) -> Path:
    """Write a checkpoint with every tensor in one precision.

    Fails as loading does: on a damaged checkpoint and on one that is not served here; and with
    AdapterMismatch if the adapter is for another model.

    Args:
        source: Checkpoint directory, quantised or not.
        target: Directory to write; created if absent.
        dtype: Precision of the written tensors.
        adapter: Added to the weights, in fp32; None adds nothing.

    Returns:
        The directory written.
    """
    read_model_config(source / "config.json")  # refuses what is not served
    copy_side_files(source, target)
    changes: Mapping[str, LowRankChange] = adapter.changes if adapter else {}
    tensors: dict[str, Tensor] = {}
    with WeightFiles(source) as files:
        if adapter is not None:
            _check_names(adapter, files.names)
        for name in sorted(files.names):
            if not is_scale(name):
                change = changes.get(name.removesuffix(".weight"))
                tensors[name] = _add(files.read_dense(name), change, name).to(dtype).contiguous()
    write_weights(target, tensors)
    keys = read_json(source / "config.json")
    keys.pop("quantization_config", None)
    keys.pop("torch_dtype", None)
    keys["dtype"] = str(dtype).removeprefix("torch.")
    write_json(target / "config.json", keys)
    return target


def merge_adapter(source: Path, adapter: Adapter, target: Path) -> Path:
    """Write a checkpoint with an adapter in its weights, stored as the checkpoint is.

    Fails as `export_checkpoint` does.

    Args:
        source: Checkpoint directory. Where its matrices are int8 (or int4), those of the result
            are int8.
        adapter: The adapter.
        target: Directory to write; created if absent.

    Returns:
        The directory written.
    """
    if not read_model_config(source / "config.json").quantised:
        keys = read_json(source / "config.json")
        name = keys.get("dtype") or keys.get("torch_dtype") or "bfloat16"
        return export_checkpoint(source, target, getattr(torch, str(name)), adapter)
    with TemporaryDirectory(prefix="fimserve-merge-") as directory:
        dense = export_checkpoint(source, Path(directory), torch.float32, adapter)
        return quantise_checkpoint(dense, target)


def _check_names(adapter: Adapter, names: frozenset[str] | set[str]) -> None:
    if unknown := sorted(module for module in adapter.changes if f"{module}.weight" not in names):
        raise AdapterMismatch(f"{adapter.source} changes {unknown[0]!r}, which the model lacks")


def _add(weight: Tensor, change: LowRankChange | None, name: str) -> Tensor:
    if change is None:
        return weight
    if change.shape != tuple(weight.shape):
        raise AdapterMismatch(
            f"{name!r} has the shape {tuple(weight.shape)}; the adapter changes {change.shape}"
        )
    return weight.float() + change.scale * (change.up.float() @ change.down.float())
