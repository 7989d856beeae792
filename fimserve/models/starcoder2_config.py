"""The shape of a StarCoder2 model, read from Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import ConfigReader, Defaults, check_sizes
from fimserve.models.json_file import JsonObject, read_json

DEFAULTS = Defaults(
    max_context_tokens=4096,
    eps_key="norm_epsilon",
    norm_eps=1e-5,
    tie_embeddings=True,
    num_kv_heads=2,  # whatever the number of heads
)
"""What transformers takes for keys that are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starcoder2Config(ModelConfig):
    """Holds every number that fixes a StarCoder2 model's arithmetic."""

    model_type: ClassVar[str] = "starcoder2"
    """What config.json calls the family."""

    use_bias: bool = True
    """Whether the projections of attention and feed-forward add a bias."""

    @classmethod
    def from_json(cls, path: Path) -> Starcoder2Config:
        """Return the shape that a config.json describes; fails as `from_dict` does."""
        return cls.from_dict(read_json(path), str(path))

    @classmethod
    def from_dict(cls, keys: JsonObject, source: str) -> Starcoder2Config:
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
        reader.require_architecture(cls.model_type, "Starcoder2ForCausalLM")
        reader.require("hidden_act", "gelu_pytorch_tanh")
        config = cls(
            **reader.common_fields(DEFAULTS),
            use_bias=reader.flag("use_bias", True),
            sliding_window=reader.optional_size("sliding_window"),
        )
        check_sizes(config, source)
        return config
