"""The shape of a Qwen2 model, read from Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import ConfigReader, Defaults, check_sizes
from fimserve.models.errors import UnsupportedModel
from fimserve.models.json_file import JsonObject, read_json

DEFAULTS = Defaults(
    max_context_tokens=32768,
    eps_key="rms_norm_eps",
    norm_eps=1e-6,
    tie_embeddings=False,
    num_kv_heads=32,  # whatever the number of heads
)
"""What transformers takes for keys that are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen2Config(ModelConfig):
    """Holds every number that fixes a Qwen2 model's arithmetic."""

    model_type: ClassVar[str] = "qwen2"
    """What config.json calls the family."""

    @classmethod
    def from_json(cls, path: Path) -> Qwen2Config:
        """Return the shape that a config.json describes; fails as `from_dict` does."""
        return cls.from_dict(read_json(path), str(path))

    @classmethod
    def from_dict(cls, keys: JsonObject, source: str) -> Qwen2Config:
        """Return the shape that the keys of a config.json describe.

        Fails with BrokenCheckpoint if a key is missing or sizes contradict each other, with
        UnsupportedModel if a key asks for what is not served here.

        Args:
            keys: Content of config.json.
            source: Where the keys come from, for error messages.

        Returns:
            The checked shape.
        """
        reader = ConfigReader(keys, source)
        reader.require_architecture(cls.model_type, "Qwen2ForCausalLM")
        reader.require("hidden_act", "silu")
        # Its windows differ by layer; no released coding model uses them.
        reader.require("use_sliding_window", False)
        _require_full_attention(reader)
        config = cls(**reader.common_fields(DEFAULTS))
        check_sizes(config, source)
        return config


def _require_full_attention(reader: ConfigReader) -> None:
    layer_types = reader.keys.get("layer_types")
    if isinstance(layer_types, list) and set(layer_types) - {"full_attention"}:
        raise UnsupportedModel(
            f"{reader.source}: 'layer_types' is {layer_types!r}; only 'full_attention' is supported"
        )
