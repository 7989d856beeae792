"""What every model's shape says, whatever its family.

Each family's own config adds the numbers that only its arithmetic needs; the engine, the cache
and the attention read nothing but what is here. Knows nothing of files or tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fimserve.models.rope import RopeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Holds the numbers of a shape that all families have."""

    model_type: ClassVar[str]
    """What config.json calls the family."""
    stored_prefix: ClassVar[str] = "model."
    """What stands before the names of the model's tensors, the output layer's excepted."""

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
    """Head size D; even where positions are rotated in."""
    max_context_tokens: int
    """Prompt and completion together, in tokens."""
    norm_eps: float
    """Added to the mean square or the variance in the norms."""
    rope: RopeConfig | None
    """Rotary embedding; None = positions have a table of their own."""
    tie_embeddings: bool
    """Whether the output layer is the embedding itself."""
    sliding_window: int | None = None
    """How many tokens a token attends to, itself included; None = all before it."""
    attention_scale: float | None = None
    """Factor of the scores; None = 1 / sqrt(D)."""
    eos_token_ids: frozenset[int] = frozenset()
    """Ids that end a completion, whatever the prompt format says."""
    quantised: bool = False
    """Whether matrices are stored as int8 with one scale per row."""
