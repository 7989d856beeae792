"""A StarCoder2 checkpoint as it comes from the hub is served: no fim.json, its own markers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fimserve.engine import CompletionRequest, Engine
from support.tiny_starcoder2 import write_tiny_starcoder2


@pytest.mark.parametrize("suffix", ["\n    return total\n", None])
def test_a_kept_cache_beyond_the_window_changes_nothing(suffix: str | None, tmp_path: Path) -> None:
    directory = write_tiny_starcoder2(tmp_path, seed=1)
    prefix = "def total(values):\n    for value in values:\n        total +"

    def ask(text: str, tenant: str) -> CompletionRequest:
        return CompletionRequest(
            prefix=text, suffix=suffix, max_tokens=12, multiline=True, tenant=tenant
        )

    with Engine.load(str(directory), device="cpu", dtype="fp32") as engine:
        assert engine.complete_blocking(ask(prefix, "a")).text
        kept = engine.complete_blocking(ask(prefix + "=", "a"))
        fresh = engine.complete_blocking(ask(prefix + "=", "b"))
    assert kept.usage.cached_tokens > 16 > fresh.usage.cached_tokens
    assert kept.text == fresh.text
