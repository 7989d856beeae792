"""The shape of a llama model, read from Hugging Face's config.json.

A key that would change the arithmetic and is not served is refused by name; keys that matter
only to training (dropout, initialisation) are ignored. Reads both the rope keys of
transformers 5 (`rope_parameters`) and the older `rope_theta` with `rope_scaling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fimserve.models.errors import BrokenCheckpoint, UnsupportedModel
from fimserve.models.json_file import JsonObject, read_json
from fimserve.models.rope import ROPE_TYPES, RopeConfig

SUPPORTED_ARCHITECTURES = ("LlamaForCausalLM",)


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """Holds every number that fixes a llama model's arithmetic."""

    vocab_size: int
    """Rows of the embedding; may exceed the tokenizer's size."""
    hidden_size: int
    """Model width E."""
    intermediate_size: int
    """Inner width of the feed-forward layers."""
    num_layers: int
    """Number of blocks L."""
    num_heads: int
    """Query heads H."""
    num_kv_heads: int
    """Key and value heads Hkv; divides num_heads."""
    head_dim: int
    """Head size D, even."""
    max_context_tokens: int
    """Prompt and completion together, in tokens."""
    norm_eps: float
    """Added to the mean square in RMSNorm."""
    rope: RopeConfig
    """Rotary embedding."""
    tie_embeddings: bool
    """Whether the output layer is the embedding itself."""
    attention_bias: bool = False
    """Whether the four attention projections add a bias."""
    mlp_bias: bool = False
    """Whether the three feed-forward projections add a bias."""
    eos_token_ids: frozenset[int] = frozenset()
    """Ids that end a completion, whatever the prompt format says."""
    quantised: bool = False
    """Whether matrices are stored as int8 with one scale per row."""

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
        reader = _Reader(keys, source)
        _check_supported(reader)
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
            rope=_read_rope(reader),
            tie_embeddings=reader.flag("tie_word_embeddings"),
            attention_bias=reader.flag("attention_bias"),
            mlp_bias=reader.flag("mlp_bias"),
            eos_token_ids=read_token_ids(keys.get("eos_token_id")),
            quantised=keys.get("quantization_config") is not None,
        )
        _check_sizes(config, source)
        return config


def read_token_ids(value: object) -> frozenset[int]:
    """Return the ids in a value that is one id, a list of ids or null."""
    values = value if isinstance(value, list) else [value]
    return frozenset(item for item in values if isinstance(item, int))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads typed values out of JSON keys and names the key when it cannot."""

    keys: JsonObject
    source: str

    def size(self, key: str, default: int | None = None) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self._broken(key, value, "a positive whole number")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise self._broken(key, value, "a positive number")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._value(key, False)
        if not isinstance(value, bool):
            raise self._broken(key, value, "true or false")
        return value

    def _value(self, key: str, default: object) -> object:
        value = self.keys.get(key)
        if value is None:
            value = default
        if value is None:
            raise BrokenCheckpoint(f"{self.source} lacks {key!r}; is it a llama config.json?")
        return value

    def _broken(self, key: str, value: object, expected: str) -> BrokenCheckpoint:
        return BrokenCheckpoint(f"{self.source}: {key!r} is {value!r}, not {expected}")


def _check_supported(reader: _Reader) -> None:
    keys, source = reader.keys, reader.source
    architectures = keys.get("architectures") or ["LlamaForCausalLM"]
    if keys.get("model_type") != "llama" or architectures != ["LlamaForCausalLM"]:
        raise UnsupportedModel(
            f"{source}: model_type is {keys.get('model_type')!r}, architectures is "
            f"{architectures!r}; supported: {', '.join(SUPPORTED_ARCHITECTURES)} (model_type llama)"
        )
    _require(reader, "hidden_act", "silu")
    _require(reader, "partial_rotary_factor", 1.0)
    quantization = keys.get("quantization_config")
    if quantization is not None:
        _check_quantisation(quantization, source)


def _require(reader: _Reader, key: str, expected: object) -> None:
    value = reader.keys.get(key)
    if value is not None and value != expected:
        raise UnsupportedModel(
            f"{reader.source}: {key!r} is {value!r}; only {expected!r} is supported"
        )


def _check_quantisation(quantization: object, source: str) -> None:
    method, layout = None, None
    if isinstance(quantization, dict):
        method, layout = quantization.get("quant_method"), quantization.get("format")
    if method != "compressed-tensors" or layout != "int-quantized":
        raise UnsupportedModel(
            f"{source}: 'quantization_config' is of quant_method {method!r} and format {layout!r}; "
            "only 'compressed-tensors' with 'int-quantized' is supported. "
            "Export the model to bf16 with the tool that quantised it"
        )


def _read_rope(reader: _Reader) -> RopeConfig:
    """Merge the rope keys of both generations of config.json into one."""
    keys = reader.keys
    nested = keys.get("rope_parameters") or keys.get("rope_scaling") or {}
    if not isinstance(nested, dict):
        raise BrokenCheckpoint(f"{reader.source}: the rope parameters are {nested!r}, not a map")
    merged = _Reader({"rope_theta": keys.get("rope_theta")} | nested, reader.source)
    # "type" is what configs of 2023 call it.
    rope_type = merged.keys.get("rope_type") or merged.keys.get("type") or "default"
    if rope_type not in ROPE_TYPES:
        raise UnsupportedModel(
            f"{reader.source}: 'rope_type' is {rope_type!r}; supported: {', '.join(ROPE_TYPES)}"
        )
    _require(merged, "partial_rotary_factor", 1.0)
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


def _check_sizes(config: LlamaConfig, source: str) -> None:
    if config.num_heads % config.num_kv_heads:
        raise BrokenCheckpoint(
            f"{source}: num_attention_heads is {config.num_heads}, no multiple of "
            f"num_key_value_heads {config.num_kv_heads}"
        )
    if config.head_dim % 2:
        raise BrokenCheckpoint(f"{source}: head_dim is {config.head_dim}; rope needs an even one")
    if config.rope.low_freq_factor >= config.rope.high_freq_factor:
        raise BrokenCheckpoint(
            f"{source}: low_freq_factor {config.rope.low_freq_factor} is not below "
            f"high_freq_factor {config.rope.high_freq_factor}"
        )
