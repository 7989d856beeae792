"""Typed values out of the keys of a config.json, and the checks that all families share.

A key that would change the arithmetic and is not served is refused by name; keys that matter
only to training (dropout, initialisation) are ignored. Reads both the rope keys of
transformers 5 (`rope_parameters`) and the older `rope_theta` with `rope_scaling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from fimserve.models.config import ModelConfig
from fimserve.models.errors import BrokenCheckpoint, UnsupportedModel
from fimserve.models.json_file import JsonObject
from fimserve.models.rope import ROPE_TYPES, RopeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Holds what a family takes for keys that config.json leaves out."""

    max_context_tokens: int
    """Default of max_position_embeddings."""
    eps_key: str
    """What the family calls the number added in its norms."""
    norm_eps: float
    """Its default."""
    tie_embeddings: bool
    """Default of tie_word_embeddings."""
    num_kv_heads: int | None = None
    """Default of num_key_value_heads; None = as many as query heads."""


class CommonFields(TypedDict):
    """Names the fields of `ModelConfig` that all families with rotary positions read alike."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_context_tokens: int
    norm_eps: float
    rope: RopeConfig | None
    tie_embeddings: bool
    eos_token_ids: frozenset[int]
    quantised: bool


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Reads typed values out of JSON keys and names the key when it cannot.

    A value of the wrong kind raises BrokenCheckpoint, one that is not served UnsupportedModel.
    """

    keys: JsonObject
    """Content of config.json."""
    source: str
    """Where the keys come from, for error messages."""

    def common_fields(self, defaults: Defaults) -> CommonFields:
        """Return the fields of a shape that all families with rotary positions read alike."""
        hidden_size = self.size("hidden_size")
        num_heads = self.size("num_attention_heads")
        return CommonFields(
            vocab_size=self.size("vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=self.size("intermediate_size"),
            num_layers=self.size("num_hidden_layers"),
            num_heads=num_heads,
            num_kv_heads=self.size("num_key_value_heads", defaults.num_kv_heads or num_heads),
            head_dim=self.size("head_dim", hidden_size // num_heads),
            max_context_tokens=self.size("max_position_embeddings", defaults.max_context_tokens),
            norm_eps=self.number(defaults.eps_key, defaults.norm_eps),
            rope=self.rope(),
            tie_embeddings=self.flag("tie_word_embeddings", defaults.tie_embeddings),
            eos_token_ids=read_token_ids(self.keys.get("eos_token_id")),
            quantised=self.is_quantised(),
        )

    def size(self, key: str, default: int | None = None) -> int:
        """Return a positive whole number; without a default the key must be there."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self._broken(key, value, "a positive whole number")
        return value

    def optional_size(self, key: str) -> int | None:
        """Return a positive whole number, or None where the key is absent or null."""
        return None if self.keys.get(key) is None else self.size(key)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a positive number; without a default the key must be there."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise self._broken(key, value, "a positive number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self._broken(key, value, "true or false")
        return value

    def require(self, key: str, expected: object) -> None:
        """Refuse any value but one; an absent key is fine."""
        value = self.keys.get(key)
        if value is not None and value != expected:
            raise UnsupportedModel(
                f"{self.source}: {key!r} is {value!r}; only {expected!r} is supported"
            )

    def require_architecture(self, model_type: str, *architectures: str) -> None:
        """Refuse another family, and another model of this one, such as a classifier.

        Args:
            model_type: The family.
            *architectures: Names of its causal language model in transformers, the present first.

        Raises:
            UnsupportedModel: If config.json names something else.
        """
        named = self.keys.get("architectures") or [architectures[0]]
        is_known = named in [[architecture] for architecture in architectures]
        if self.keys.get("model_type") != model_type or not is_known:
            raise UnsupportedModel(
                f"{self.source}: model_type is {self.keys.get('model_type')!r}, architectures is "
                f"{named!r}; supported: {', '.join(architectures)} (model_type {model_type})"
            )

    def is_quantised(self) -> bool:
        """Return whether matrices are int8 or int4; a layout other than ours is refused."""
        quantization = self.keys.get("quantization_config")
        if quantization is None:
            return False
        method, layout = None, None
        if isinstance(quantization, dict):
            method, layout = quantization.get("quant_method"), quantization.get("format")
        if (method, layout) == ("fimserve", "int4-int8"):
            return True
        if method != "compressed-tensors" or layout != "int-quantized":
            raise UnsupportedModel(
                f"{self.source}: 'quantization_config' is of quant_method {method!r} and format "
                f"{layout!r}; only 'compressed-tensors' with 'int-quantized' is supported. "
                "Export the model to bf16 with the tool that quantised it"
            )
        return True

    def rope(self) -> RopeConfig:
        """Return the rotary embedding, its keys of both generations merged into one.

        Returns:
            Base and scaling.

        Raises:
            BrokenCheckpoint: If the parameters are no map or lack a number.
            UnsupportedModel: If the scaling, or rotating a part of each head, is not served.
        """
        keys = self.keys
        self.require("partial_rotary_factor", 1.0)
        nested = keys.get("rope_parameters") or keys.get("rope_scaling") or {}
        if not isinstance(nested, dict):
            raise BrokenCheckpoint(f"{self.source}: the rope parameters are {nested!r}, not a map")
        merged = ConfigReader({"rope_theta": keys.get("rope_theta")} | nested, self.source)
        # "type" is what configs of 2023 call it.
        rope_type = merged.keys.get("rope_type") or merged.keys.get("type") or "default"
        if rope_type not in ROPE_TYPES:
            raise UnsupportedModel(
                f"{self.source}: 'rope_type' is {rope_type!r}; supported: {', '.join(ROPE_TYPES)}"
            )
        merged.require("partial_rotary_factor", 1.0)
        scaled = rope_type != "default"
        default = RopeConfig()
        rope = RopeConfig(
            theta=merged.number("rope_theta", default.theta),
            rope_type=rope_type,
            factor=merged.number("factor") if scaled else 1.0,
        )
        if rope_type != "llama3":
            return rope
        return RopeConfig(
            theta=rope.theta,
            rope_type="llama3",
            factor=rope.factor,
            low_freq_factor=merged.number("low_freq_factor"),
            high_freq_factor=merged.number("high_freq_factor"),
            original_max_tokens=merged.size("original_max_position_embeddings"),
        )

    def _value(self, key: str, default: object) -> object:
        value = self.keys.get(key)
        if value is None:
            value = default
        if value is None:
            raise BrokenCheckpoint(f"{self.source} lacks {key!r}; is it a model's config.json?")
        return value

    def _broken(self, key: str, value: object, expected: str) -> BrokenCheckpoint:
        return BrokenCheckpoint(f"{self.source}: {key!r} is {value!r}, not {expected}")


def read_token_ids(value: object) -> frozenset[int]:
    """Return the ids in a value that is one id, a list of ids or null."""
    values = value if isinstance(value, list) else [value]
    return frozenset(item for item in values if isinstance(item, int))


def check_sizes(config: ModelConfig, source: str) -> None:
    """Refuse a shape whose numbers contradict each other.

    Args:
        config: The shape.
        source: Where it comes from, for error messages.

    Raises:
        BrokenCheckpoint: If heads cannot be shared out, halved, or rope's ramp is empty.
    """
    if config.num_heads % config.num_kv_heads:
        raise BrokenCheckpoint(
            f"{source}: num_attention_heads is {config.num_heads}, no multiple of "
            f"num_key_value_heads {config.num_kv_heads}"
        )
    if config.rope is None:
        return
    if config.head_dim % 2:
        raise BrokenCheckpoint(f"{source}: head_dim is {config.head_dim}; rope needs an even one")
    if config.rope.low_freq_factor >= config.rope.high_freq_factor:
        raise BrokenCheckpoint(
            f"{source}: low_freq_factor {config.rope.low_freq_factor} is not below "
            f"high_freq_factor {config.rope.high_freq_factor}"
        )
