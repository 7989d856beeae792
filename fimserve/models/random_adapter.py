"""A LoRA adapter of random numbers, for measuring what serving an adapter costs.

What it costs depends on its shape and not on its values; what it makes a model write is nonsense.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import save_file

from fimserve.models.adapter_config import CONFIG_FILE
from fimserve.models.adapter_reader import WEIGHTS_FILE
from fimserve.models.json_file import write_json
from fimserve.models.weight_files import WeightFiles, is_scale

_LAYER = re.compile(r"\.(layers|h)\.\d+\.")
"""Names of tensors inside the blocks of a model."""

SCALE = 1e-3
"""Of the factors: small, so that the model stays what it is but for the last bits."""


def write_random_adapter(source: Path, target: Path, rank: int = 16, seed: int = 0) -> Path:
    """Write an adapter over every linear layer inside a model's blocks.

    Args:
        source: Checkpoint directory of the base model.
        target: Directory to write; created if absent.
        rank: Rank of every change.
        seed: Seed of the factors.

    Returns:
        The directory, ready for `read_adapter` and for PEFT.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors, targets = {}, set()
    with WeightFiles(source) as files:
        for name in sorted(files.names):
            if is_scale(name) or not _LAYER.search(name) or not name.endswith(".weight"):
                continue
            weight = files.read_dense(name)
            if weight.ndim == 2:
                module = name.removesuffix(".weight")
                targets.add(module.rpartition(".")[2])
                rows, columns = weight.shape
                for half, shape in (("lora_A", (rank, columns)), ("lora_B", (rows, rank))):
                    factor = torch.randn(shape, generator=generator) * SCALE
                    tensors[f"base_model.model.{module}.{half}.weight"] = factor
    target.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target / WEIGHTS_FILE, metadata={"format": "pt"})
    write_json(
        target / CONFIG_FILE,
        {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": source.name,
            "r": rank,
            "lora_alpha": rank,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": sorted(targets),
        },
    )
    return target
