"""The model families served here: which config and which modules belong to a `model_type`.

A further family is one more row. Knows nothing of weights or prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimserve.models.causal_model import CausalModel
from fimserve.models.config import ModelConfig
from fimserve.models.errors import UnsupportedModel
from fimserve.models.json_file import JsonObject, read_json
from fimserve.models.llama import LlamaModel
from fimserve.models.llama_config import LlamaConfig
from fimserve.models.starcoder2 import Starcoder2Model
from fimserve.models.starcoder2_config import Starcoder2Config


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """Holds what is needed to read and to assemble the models of one family."""

    read_config: Callable[[JsonObject, str], ModelConfig]
    """Makes the shape from the keys of config.json and the name of their source."""
    make_model: Callable[[Any], CausalModel]
    """Assembles the modules; takes what `read_config` of the same row returns."""


MODEL_FAMILIES = {
    LlamaConfig.model_type: ModelFamily(LlamaConfig.from_dict, LlamaModel),
    Starcoder2Config.model_type: ModelFamily(Starcoder2Config.from_dict, Starcoder2Model),
}
"""Every family by its `model_type` in config.json."""


def read_model_config(path: Path) -> ModelConfig:
    """Return the shape that a config.json describes.

    Fails with BrokenCheckpoint if the file is damaged or contradicts itself.

    Args:
        path: The config.json.

    Returns:
        The checked shape, of its family's own class.

    Raises:
        UnsupportedModel: If its family, or something it asks for, is not served here.
    """
    keys = read_json(path)
    model_type = keys.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_FAMILIES:
        raise UnsupportedModel(
            f"{path}: model_type is {model_type!r}, architectures is "
            f"{keys.get('architectures')!r}; supported model types: {', '.join(MODEL_FAMILIES)}"
        )
    return MODEL_FAMILIES[model_type].read_config(keys, str(path))


def make_model(config: ModelConfig) -> CausalModel:
    """Return the modules of a shape, their weights not yet filled in."""
    return MODEL_FAMILIES[config.model_type].make_model(config)
