"""What an engine says of itself, for `/health` and for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Holds what the engine says of itself."""

    num_blocks: int
    """Blocks of keys and values."""
    num_free_blocks: int
    """Those that a request could take now, idle cache included."""
    block_tokens: int
    """Tokens per block."""
    num_running: int
    """Completions being written."""
    num_waiting: int
    """Completions whose turn has not come."""
    num_restarts: int
    """How often the loop died and was replaced."""
    is_alive: bool
    """Whether its thread runs."""
    adapters: tuple[str, ...]
    """Names of the loaded LoRA adapters."""
