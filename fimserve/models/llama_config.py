"""The shape of a llama model, read from Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import ConfigReader, check_sizes, read_token_ids
from fimserve.models.json_file import JsonObject, read_json


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
        hidden_size = reader.size("hidden_size")
        num_heads = reader.size("num_attention_heads")
        config = cls(
            vocab_size=reader.size("vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=reader.size("intermediate_size"),
            num_layers=reader.size("num_hidden_layers"),
            num_heads=num_heads,
            num_kv_heads=reader.size("num_key_value_heads", num_heads),
            head_dim=reader.size("head_dim", hidden_size // num_heads),
            max_context_tokens=reader.size("max_position_embeddings", 2048),
            norm_eps=reader.number("rms_norm_eps", 1e-6),
            rope=reader.rope(),
            tie_embeddings=reader.flag("tie_word_embeddings", False),
            attention_bias=reader.flag("attention_bias", False),
            mlp_bias=reader.flag("mlp_bias", False),
            eos_token_ids=read_token_ids(keys.get("eos_token_id")),
            quantised=reader.is_quantised(),
        )
        check_sizes(config, source)
        return config
