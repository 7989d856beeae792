"""Limits of the engine, each with its default; plain values that the command line composes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fimserve.engine.errors import EngineError

__all__ = ["EngineSettings", "EngineSettingsError"]

MIB = 1 << 20


class EngineSettingsError(EngineError, ValueError):
    """A setting of the engine has a value that cannot work."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Holds how much memory, time and company each request gets."""

    kv_memory_mib: int = 0
    """Memory for keys and values, of running requests and of the prefix cache together; 0 takes
    1024 on a CPU and 70 % of what is free on a GPU."""
    block_tokens: int = 32
    """Tokens per block of that memory."""
    tenant_share: float = 0.5
    """Most of that memory that one tenant's idle cache may keep while others want room."""
    max_step_tokens: int = 0
    """Tokens computed in one step: decodes first, the rest is filled with pieces of prompts. 0
    takes 256 on a CPU, as measured on 2 cores (docs/LOG.md), and 2048 on a GPU."""
    max_sequences: int = 64
    """Completions decoded at the same time."""
    max_waiting: int = 256
    """Requests that may wait; one more is refused."""
    max_prompt_tokens: int = 2048
    """Tokens of a prompt, where the model could take more: what is farther from the cursor than
    this helps little and is waited for on every cold prompt."""
    max_drafts: int = 6
    """Tokens guessed ahead at once; 0 never guesses."""
    session_memory_mib: int = 64
    """Memory for what is remembered of sessions beside keys and values."""
    gpu_path: Literal["auto", "eager", "graphs"] = "auto"
    """How steps run on a GPU: eager launches one operation after the other; graphs replays whole
    steps on fixed memory and launches the next one before this one is read; auto takes graphs where
    there are kernels for the card and the model. On a CPU graphs run unrecorded and slower."""
    adapters: Path | None = None
    """Directory of LoRA adapters; each of its folders that holds one may be loaded by name."""
    graph_adapters: int = 16
    """Adapters that `graphs` sets memory aside for where `adapters` is given. While more than these
    are loaded, steps with a further one run as in `eager`."""
    graph_adapter_rank: int = 32
    """Largest rank of those; steps with an adapter of a larger one run as in `eager`."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if not 0 < self.tenant_share <= 1:
            raise EngineSettingsError(f"tenant_share is {self.tenant_share}; use 0 to 1")
        for name in (
            "block_tokens", "max_sequences", "max_waiting", "graph_adapters", "graph_adapter_rank",
        ):  # fmt: skip
            self._check_at_least(name, 1)
        for name in ("kv_memory_mib", "max_step_tokens", "max_drafts", "session_memory_mib"):
            self._check_at_least(name, 0)
        self._check_at_least("max_prompt_tokens", 16)
        if self.gpu_path not in ("auto", "eager", "graphs"):
            raise EngineSettingsError(f"gpu_path is {self.gpu_path!r}; use auto, eager or graphs")

    def _check_at_least(self, name: str, minimum: int) -> None:
        value = getattr(self, name)
        if value < minimum:
            raise EngineSettingsError(f"{name} is {value}; use {minimum} or more")
