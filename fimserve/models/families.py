"""The model families served here: which config and which model belong to a `model_type`.

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
from fimserve.models.gpt_bigcode import make_gpt_bigcode
from fimserve.models.gpt_bigcode_config import GptBigCodeConfig
from fimserve.models.json_file import JsonObject, read_json
from fimserve.models.llama import make_llama
from fimserve.models.llama_config import LlamaConfig
from fimserve.models.qwen2 import make_qwen2
from fimserve.models.qwen2_config import Qwen2Config
from fimserve.models.starcoder2 import make_starcoder2
from fimserve.models.starcoder2_config import Starcoder2Config


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """Holds what is needed to read and to assemble the models of one family."""

    read_config: Callable[[JsonObject, str], ModelConfig]
    """Makes the shape from the keys of config.json and the name of their source."""
    make_model: Callable[[Any], CausalModel]
    """Assembles the model; takes what `read_config` of the same row returns."""


MODEL_FAMILIES = {
    LlamaConfig.model_type: ModelFamily(LlamaConfig.from_dict, make_llama),
    Qwen2Config.model_type: ModelFamily(Qwen2Config.from_dict, make_qwen2),
    Starcoder2Config.model_type: ModelFamily(Starcoder2Config.from_dict, make_starcoder2),
    GptBigCodeConfig.model_type: ModelFamily(GptBigCodeConfig.from_dict, make_gpt_bigcode),
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
    """Return a model of a shape, not yet filled."""
    return MODEL_FAMILIES[config.model_type].make_model(config)
