"""What an engine says of its model before anybody asks it for a completion."""

from __future__ import annotations

from pathlib import Path

from fimserve.engine import Engine, EngineSettings
from fimserve.prompt import Order
from support.tiny_checkpoint import write_tiny_checkpoint


def test_card_describes_the_weights_in_memory_and_the_prompts(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny", default_order="psm")
    with Engine.load(str(checkpoint), device="cpu", dtype="fp32") as engine:
        card = engine.card
    assert (card.architecture, card.fim_family, card.order) == ("llama", "fimserve", Order.PSM)
    assert card.precision == "fp32"
    # fp32 with nothing packed: four bytes a weight.
    assert card.num_bytes == 4 * card.num_parameters > 0
    assert card.max_context_tokens == 1024


def test_context_is_no_longer_than_the_memory_for_it(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny", max_context_tokens=1_000_000)
    settings = EngineSettings(kv_memory_mib=1)
    with Engine.load(str(checkpoint), device="cpu", dtype="fp32", settings=settings) as engine:
        stats = engine.stats()
        assert engine.card.max_context_tokens == stats.num_blocks * stats.block_tokens < 1_000_000
