"""The shape of a StarCoder2 model, read from Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import ConfigReader, check_sizes, read_token_ids
from fimserve.models.json_file import JsonObject, read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Starcoder2Config(ModelConfig):
    """Holds every number that fixes a StarCoder2 model's arithmetic."""

    model_type: ClassVar[str] = "starcoder2"
    """What config.json calls the family."""

    use_bias: bool = True
    """Whether the projections of attention and feed-forward add a bias."""
    sliding_window: int | None = None
    """How many tokens a token attends to, itself included; None = all before it."""

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
        hidden_size = reader.size("hidden_size")
        num_heads = reader.size("num_attention_heads")
        config = cls(
            vocab_size=reader.size("vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=reader.size("intermediate_size"),
            num_layers=reader.size("num_hidden_layers"),
            num_heads=num_heads,
            # 2 whatever the number of heads: the default of transformers.
            num_kv_heads=reader.size("num_key_value_heads", 2),
            head_dim=reader.size("head_dim", hidden_size // num_heads),
            max_context_tokens=reader.size("max_position_embeddings", 4096),
            norm_eps=reader.number("norm_epsilon", 1e-5),
            rope=reader.rope(),
            tie_embeddings=reader.flag("tie_word_embeddings", True),
            use_bias=reader.flag("use_bias", True),
            sliding_window=reader.optional_size("sliding_window"),
            eos_token_ids=read_token_ids(keys.get("eos_token_id")),
            quantised=reader.is_quantised(),
        )
        check_sizes(config, source)
        return config
