"""The shape of a llama model, read from Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import ConfigReader, Defaults, check_sizes
from fimserve.models.json_file import JsonObject, read_json

DEFAULTS = Defaults(
    max_context_tokens=2048, eps_key="rms_norm_eps", norm_eps=1e-6, tie_embeddings=False
)
"""What transformers takes for keys that are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaConfig(ModelConfig):
    """Holds every number that fixes a llama model's arithmetic."""

    model_type: ClassVar[str] = "llama"
    """What config.json calls the family."""

    attention_bias: bool = False
    """Whether the four attention projections add a bias."""
    mlp_bias: bool = False
    """Whether the three feed-forward projections add a bias."""

    @classmethod
    def from_json(cls, path: Path) -> LlamaConfig:
        """Return the shape that a config.json describes; fails as `from_dict` does."""
        return cls.from_dict(read_json(path), str(path))

    @classmethod
    def from_dict(cls, keys: JsonObject, source: str) -> LlamaConfig:
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
        reader.require_architecture(cls.model_type, "LlamaForCausalLM")
        reader.require("hidden_act", "silu")
        config = cls(
            **reader.common_fields(DEFAULTS),
            attention_bias=reader.flag("attention_bias", False),
            mlp_bias=reader.flag("mlp_bias", False),
        )
        check_sizes(config, source)
        return config
