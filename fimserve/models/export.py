"""Writing a checkpoint as a plain Hugging Face directory in one floating-point precision.

For tools that do not read the int8 layout; the result has no `quantization_config`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fimserve.models.checkpoint_directory import copy_side_files
from fimserve.models.families import read_model_config
from fimserve.models.json_file import read_json, write_json
from fimserve.models.weight_files import WeightFiles, is_scale, write_weights


def export_checkpoint(source: Path, target: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Write a checkpoint with every tensor in one precision.

    Fails as loading does: on a damaged checkpoint and on one that is not served here.

    Args:
        source: Checkpoint directory, quantised or not.
        target: Directory to write; created if absent.
        dtype: Precision of the written tensors.

    Returns:
        The directory written.
    """
    read_model_config(source / "config.json")  # refuses what is not served
    copy_side_files(source, target)
    tensors: dict[str, Tensor] = {}
    with WeightFiles(source) as files:
        for name in sorted(files.names):
            if not is_scale(name):
                tensors[name] = files.read_dense(name).to(dtype).contiguous()
    write_weights(target, tensors)
    keys = read_json(source / "config.json")
    keys.pop("quantization_config", None)
    keys.pop("torch_dtype", None)
    keys["dtype"] = str(dtype).removeprefix("torch.")
    write_json(target / "config.json", keys)
    return target
