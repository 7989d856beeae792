"""The shape of a GPTBigCode model (SantaCoder, StarCoder), read from Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import ConfigReader, check_sizes, read_token_ids
from fimserve.models.errors import BrokenCheckpoint, UnsupportedModel
from fimserve.models.json_file import JsonObject, read_json

TANH_GELUS = ("gelu_pytorch_tanh", "gelu_new", "gelu_fast")
"""Names of one formula; SantaCoder's config has the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GptBigCodeConfig(ModelConfig):
    """Holds every number that fixes a GPTBigCode model's arithmetic."""

    model_type: ClassVar[str] = "gpt_bigcode"
    """What config.json calls the family."""
    stored_prefix: ClassVar[str] = "transformer."
    """What stands before the names of the model's tensors, the output layer's excepted."""

    @classmethod
    def from_json(cls, path: Path) -> GptBigCodeConfig:
        """Return the shape that a config.json describes; fails as `from_dict` does."""
        return cls.from_dict(read_json(path), str(path))

    @classmethod
    def from_dict(cls, keys: JsonObject, source: str) -> GptBigCodeConfig:
        """Return the shape that the keys of a config.json describe.

        Fails with UnsupportedModel if a key asks for what is not served here.

        Args:
            keys: Content of config.json.
            source: Where the keys come from, for error messages.

        Returns:
            The checked shape.

        Raises:
            BrokenCheckpoint: If a key is missing or sizes contradict each other.
        """
        reader = ConfigReader(keys, source)
        # The second is what checkpoints of 2022 and 2023 are called.
        reader.require_architecture(
            cls.model_type, "GPTBigCodeForCausalLM", "GPTBigCodeLMHeadModel"
        )
        reader.require("multi_query", True)
        reader.require("add_cross_attention", False)
        _require_tanh_gelu(reader)
        hidden_size, num_heads = reader.size("n_embd"), reader.size("n_head")
        if hidden_size % num_heads:
            raise BrokenCheckpoint(
                f"{source}: n_embd is {hidden_size}, no multiple of n_head {num_heads}"
            )
        config = cls(
            vocab_size=reader.size("vocab_size", 50257),
            hidden_size=hidden_size,
            intermediate_size=reader.size("n_inner", 4 * hidden_size),
            num_layers=reader.size("n_layer"),
            num_heads=num_heads,
            num_kv_heads=1,
            head_dim=hidden_size // num_heads,
            max_context_tokens=reader.size("n_positions", 1024),
            norm_eps=reader.number("layer_norm_epsilon", 1e-5),
            rope=None,
            tie_embeddings=reader.flag("tie_word_embeddings", True),
            attention_scale=None if reader.flag("scale_attn_weights", True) else 1.0,
            eos_token_ids=read_token_ids(keys.get("eos_token_id")),
            quantised=reader.is_quantised(),
        )
        check_sizes(config, source)
        return config


def _require_tanh_gelu(reader: ConfigReader) -> None:
    name = reader.keys.get("activation_function", TANH_GELUS[0])
    if name not in TANH_GELUS:
        raise UnsupportedModel(
            f"{reader.source}: 'activation_function' is {name!r}; supported: "
            f"{', '.join(TANH_GELUS)}"
        )
