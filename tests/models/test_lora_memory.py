"""Fixed memory for adapters: the same logits from the same places, whoever comes and goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fimserve.models import CausalModel, LoraMemory, load_model, read_adapter
from support.parity import NUM_TOKENS, compute_logits, make_ids
from support.tiny_adapter import TARGETS, write_tiny_adapter
from support.tiny_families import write_tiny_family


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    base = write_tiny_family(directory / "base", "llama", seed=3)
    write_tiny_adapter(directory / "a", base, TARGETS["llama"], seed=1, r=4)
    write_tiny_adapter(directory / "b", base, ["k_proj", "down_proj"], seed=2, r=2)
    write_tiny_adapter(directory / "large", base, ["down_proj"], seed=3, r=5)
    return directory


@pytest.fixture
def model(directory: Path) -> CausalModel:
    return load_model(str(directory / "base"), "cpu", "fp32").model


def logits(model: CausalModel, slot: int) -> torch.Tensor:
    with torch.inference_mode():
        return compute_logits(model, make_ids(), NUM_TOKENS, adapter=slot)


def list_places(model: CausalModel, memory: LoraMemory) -> list[int]:
    stacks = [memory.stack_of(linear) for linear in model.linears()]
    return [tensor.data_ptr() for one in stacks for tensor in (one.down, one.up, one.ranks)]


def list_ranks(model: CausalModel, memory: LoraMemory, slot: int) -> list[int]:
    """Return the ranks of a slot in the four layers of the first block."""
    return [int(memory.stack_of(one).ranks[slot - 1]) for one in list(model.linears())[:4]]


def test_adapters_that_were_there_move_in(model: CausalModel, directory: Path) -> None:
    model.add_adapter(1, read_adapter(directory / "a"))
    before = logits(model, 1)
    memory = model.keep_adapters(2, 4)
    assert memory.holds(1)
    assert torch.equal(logits(model, 1), before)
    assert model.keep_adapters(2, 4) is memory
    larger = model.keep_adapters(3, 5)
    assert larger is not memory
    assert torch.equal(logits(model, 1), before)


def test_one_replaces_another_in_place(model: CausalModel, directory: Path) -> None:
    memory = model.keep_adapters(2, 4)
    places = list_places(model, memory)
    model.add_adapter(2, read_adapter(directory / "b"))
    expected = logits(model, 2)
    assert list_ranks(model, memory, 2) == [2, 0, 0, 2]
    model.add_adapter(2, read_adapter(directory / "a"))
    assert list_ranks(model, memory, 2) == [12, 4, 8, 4]
    assert list_ranks(model, memory, 1) == [0, 0, 0, 0]
    model.add_adapter(2, read_adapter(directory / "b"))
    assert list_ranks(model, memory, 2) == [2, 0, 0, 2]
    assert torch.equal(logits(model, 2), expected)
    model.remove_adapter(2)
    assert not memory.holds(2)
    assert list_ranks(model, memory, 2) == [0, 0, 0, 0]
    assert list_places(model, memory) == places


@pytest.mark.parametrize(("name", "slot"), [("large", 1), ("a", 3)])
def test_one_that_does_not_fit_stays_outside(
    name: str, slot: int, model: CausalModel, directory: Path
) -> None:
    model.add_adapter(slot, read_adapter(directory / name))
    expected = logits(model, slot)
    model.remove_adapter(slot)
    memory = model.keep_adapters(2, 4)
    model.add_adapter(1, read_adapter(directory / "a"))
    model.add_adapter(slot, read_adapter(directory / name))
    assert not memory.holds(slot)
    assert torch.equal(logits(model, slot), expected)
    assert memory.holds(1) == (slot != 1)
    assert any(list_ranks(model, memory, 1)) == (slot != 1)


def test_it_tells_how_large_it_is(model: CausalModel) -> None:
    num_features = sum(
        (one.in_features + sum(one.parts.values())) * len(one.parts) for one in model.linears()
    )
    assert model.keep_adapters(3, 5).num_bytes == 4 * 3 * 5 * num_features
