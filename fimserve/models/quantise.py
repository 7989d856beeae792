"""Weights as int8 with one scale per output row, and the directory that holds them.

A matrix becomes round(weight / scale) with scale = max|row| / 127 in fp32; norms and biases stay as
they are. The layout is that of compressed-tensors ("int-quantized", weight and weight_scale),
embedding included, with `dequantize` set: transformers then multiplies it out while loading, which
is what makes a tied int8 embedding work there (5.23 with compressed-tensors 0.20 tried), and
llama.cpp's converter multiplies out by name. vLLM wants the bf16 directory that `export` writes.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from fimserve.models.checkpoint_directory import copy_side_files
from fimserve.models.config import ModelConfig
from fimserve.models.errors import BrokenCheckpoint
from fimserve.models.families import read_model_config
from fimserve.models.int8_codes import quantise_matrix
from fimserve.models.json_file import JsonObject, read_json, write_json
from fimserve.models.weight_files import WeightFiles, scale_name, write_weights


def quantise_checkpoint(source: Path, target: Path) -> Path:
    """Write a checkpoint with every matrix as int8.

    Fails as loading does: on a damaged checkpoint and on one that is not served here.

    Args:
        source: Checkpoint directory with floating-point weights.
        target: Directory to write; created if absent.

    Returns:
        The directory written.

    Raises:
        BrokenCheckpoint: If the source is quantised already.
    """
    config = read_model_config(source / "config.json")
    if config.quantised:
        raise BrokenCheckpoint(f"{source} is quantised already; start from its bf16 form")
    copy_side_files(source, target)
    write_weights(target, _quantise_all(source, config))
    keys = read_json(source / "config.json")
    keys["quantization_config"] = make_quantisation_config(config)
    write_json(target / "config.json", keys)
    return target


def make_quantisation_config(config: ModelConfig) -> JsonObject:
    """Return the `quantization_config` of config.json for this module's layout."""
    weights: JsonObject = {
        "num_bits": 8,
        "type": "int",
        "symmetric": True,
        "strategy": "channel",
        "dynamic": False,
    }
    group: JsonObject = {
        "targets": ["Linear", "Embedding"],
        "weights": weights,
        "input_activations": None,
        "output_activations": None,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "dequantize": True,
        # A tied output layer has no tensor of its own.
        "ignore": ["lm_head"] if config.tie_embeddings else [],
        "config_groups": {"group_0": group},
    }


def _quantise_all(source: Path, config: ModelConfig) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    with WeightFiles(source) as files:
        for name in sorted(files.names):
            if config.tie_embeddings and name == "lm_head.weight":
                continue
            tensor = files.read(name)
            if tensor.ndim == 2:
                tensors[name], tensors[scale_name(name)] = quantise_matrix(tensor)
            else:
                tensors[name] = tensor
    return tensors
