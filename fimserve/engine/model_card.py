"""What clients may know of a model before they ask it for anything.

Plain values about the weights in memory and the prompts they read; nothing of files and paths.
"""

from __future__ import annotations

from dataclasses import dataclass

from fimserve.prompt import Order


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Describes a loaded model."""

    architecture: str
    """What config.json calls the family of its layers, such as "llama"."""
    fim_family: str | None
    """Family of its prompts, one of `fimserve.prompt.format_names()`; None = it cannot fill in."""
    order: Order | None
    """Order of a prompt's parts where a request names none; None where it cannot fill in."""
    num_parameters: int
    """Weights, those of a tied output layer once."""
    num_bytes: int
    """Memory that the weights take."""
    precision: str
    """How they are kept, such as "bf16" or "int8-dynamic"."""
    max_context_tokens: int
    """Prompt and completion together, as far as the memory for keys and values goes."""
