"""What an adapter's adapter_config.json says: its scales, and what it asks for beyond LoRA.

Whatever would change the arithmetic and is not served is refused by name; what matters only to
training (dropout, target_modules: the tensors tell) is ignored. Knows nothing of tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from fimserve.models.config_reader import ConfigReader
from fimserve.models.errors import BrokenCheckpoint, UnsupportedModel
from fimserve.models.json_file import JsonObject

Number = TypeVar("Number", int, float)

CONFIG_FILE = "adapter_config.json"

REFUSED_KEYS = {
    "use_dora": "DoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA",
    "lora_bias": "a bias on the factors",
    "modules_to_save": "whole modules trained beside the factors",
    "trainable_token_indices": "trained rows of the embedding",
    "target_parameters": "factors on bare parameters",
    "layer_replication": "repeated layers",
    "alora_invocation_tokens": "activated LoRA",
    "arrow_config": "routing among adapters",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
}
"""Keys that change the arithmetic where they are set, and what they ask for."""

PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Values of init_lora_weights that leave the base model's weights as they are."""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """Holds what fixes the scales of an adapter."""

    source: str
    """Where it comes from, for error messages."""
    base_model: str | None
    """Model it was trained over."""
    rank: int
    """Rank of the changes that no pattern names."""
    alpha: float
    """Alpha of the changes that no pattern names."""
    is_rank_stabilised: bool
    """Whether scales are alpha / sqrt(r) instead of alpha / r."""
    rank_pattern: Mapping[str, int]
    """Ranks by a regular expression for the end of a module's name."""
    alpha_pattern: Mapping[str, float]
    """Alphas by a regular expression for the end of a module's name."""

    def rank_of(self, module: str) -> int:
        """Return the rank of a module's change."""
        return _find(self.rank_pattern, module, self.rank)

    def scale_of(self, module: str) -> float:
        """Return what a module's change is multiplied by."""
        rank = self.rank_of(module)
        divisor = math.sqrt(rank) if self.is_rank_stabilised else rank
        return _find(self.alpha_pattern, module, self.alpha) / divisor


def parse_adapter_config(keys: JsonObject, source: str) -> AdapterConfig:
    """Return what the keys of an adapter_config.json say.

    Fails with BrokenCheckpoint if a value is missing or of the wrong kind.

    Args:
        keys: Content of the file.
        source: Where the keys come from, for error messages.

    Returns:
        The checked config.

    Raises:
        UnsupportedModel: If it asks for more than plain LoRA.
    """
    reader = ConfigReader(keys, source)
    if keys.get("peft_type") != "LORA":
        raise UnsupportedModel(f"{source}: 'peft_type' is {keys.get('peft_type')!r}, not 'LORA'")
    for key, meaning in REFUSED_KEYS.items():
        if keys.get(key):
            raise UnsupportedModel(f"{source}: {key!r} asks for {meaning}, which is not served")
    reader.require("bias", "none")
    start = keys.get("init_lora_weights")
    if start not in PLAIN_STARTS:
        raise UnsupportedModel(
            f"{source}: 'init_lora_weights' is {start!r}, which changes the base model itself; "
            "convert the adapter with PEFT's save_pretrained(path_initial_model_for_weight_"
            "conversion=...)"
        )
    base_model = keys.get("base_model_name_or_path")
    return AdapterConfig(
        source=source,
        base_model=base_model if isinstance(base_model, str) and base_model else None,
        rank=reader.size("r"),
        alpha=reader.number("lora_alpha"),
        is_rank_stabilised=reader.flag("use_rslora", False),
        rank_pattern=_read_pattern(reader, "rank_pattern", lambda inner, key: inner.size(key)),
        alpha_pattern=_read_pattern(reader, "alpha_pattern", lambda inner, key: inner.number(key)),
    )


def _read_pattern(
    reader: ConfigReader, key: str, read: Callable[[ConfigReader, str], Number]
) -> dict[str, Number]:
    pattern = reader.keys.get(key) or {}
    if not isinstance(pattern, dict):
        raise BrokenCheckpoint(f"{reader.source}: {key!r} is {pattern!r}, not a map")
    inner = ConfigReader(pattern, f"{reader.source}: {key}")
    for expression in pattern:
        try:
            re.compile(expression)
        except re.error as error:
            raise BrokenCheckpoint(
                f"{reader.source}: {key} holds {expression!r}, no regular expression: {error}"
            ) from None
    return {expression: read(inner, expression) for expression in pattern}


def _find(pattern: Mapping[str, Number], module: str, default: Number) -> Number:
    """Return the value of the first expression that a module's name ends with, as PEFT does."""
    for expression, value in pattern.items():
        if re.match(rf"(.*\.)?({expression})$", module):
            return value
    return default
