"""Weights as int8 with one scale per output row, and the directory that holds them.

A matrix becomes round(weight / scale) with scale = max|row| / 127 in fp32; norms and biases stay as
they are. The layout is that of compressed-tensors ("int-quantized", weight and weight_scale),
embedding included, with `dequantize` set: transformers then multiplies it out while loading, which
is what makes a tied int8 embedding work there (5.23 with compressed-tensors 0.20 tried), and
llama.cpp's converter multiplies out by name. vLLM wants the bf16 directory that `export` writes.

Matrices named for it become int4 with one scale per 32 weights instead (`int4_codes.py`; which ones
bear it is for `fimtraining.sensitivity` to measure). That layout is our own: other tools want the
bf16 directory. It makes files small; in memory such a matrix is int8 like the others.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from fimserve.models.checkpoint_directory import copy_side_files
from fimserve.models.config import ModelConfig
from fimserve.models.errors import BrokenCheckpoint
from fimserve.models.families import read_model_config
from fimserve.models.int4_codes import pack_matrix
from fimserve.models.int8_codes import quantise_matrix
from fimserve.models.json_file import JsonObject, read_json, write_json
from fimserve.models.weight_files import WeightFiles, scale_name, write_weights


def quantise_checkpoint(source: Path, target: Path, int4: frozenset[str] = frozenset()) -> Path:
    """Write a checkpoint with every matrix as int8, some as int4.

    Fails as loading does: on a damaged checkpoint and on one that is not served here.

    Args:
        source: Checkpoint directory with floating-point weights.
        target: Directory to write; created if absent.
        int4: Names of the matrices to store in four bits.

    Returns:
        The directory written.

    Raises:
        BrokenCheckpoint: If the source is quantised already, or has no matrix of a name.
    """
    config = read_model_config(source / "config.json")
    if config.quantised:
        raise BrokenCheckpoint(f"{source} is quantised already; start from its bf16 form")
    copy_side_files(source, target)
    write_weights(target, _quantise_all(source, config, int4))
    keys = read_json(source / "config.json")
    own: JsonObject = {"quant_method": "fimserve", "format": "int4-int8"}
    keys["quantization_config"] = own if int4 else make_quantisation_config(config)
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


def _quantise_all(source: Path, config: ModelConfig, int4: frozenset[str]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    with WeightFiles(source) as files:
        if unknown := sorted(int4 - files.names):
            raise BrokenCheckpoint(f"{source} has no tensor {unknown[0]!r} to store as int4")
        for name in sorted(files.names):
            if config.tie_embeddings and name == "lm_head.weight":
                continue
            tensor = files.read(name)
            if name in int4:
                tensors[name], tensors[scale_name(name)] = pack_matrix(tensor)
            elif tensor.ndim == 2:
                tensors[name], tensors[scale_name(name)] = quantise_matrix(tensor)
            else:
                tensors[name] = tensor
    return tensors
