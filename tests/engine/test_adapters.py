"""Adapters over one base: chosen per request, mixed in a batch, changed while serving."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.engine import AdapterNotFound, CompletionRequest, EngineSettings
from fimserve.engine.launched import Launched
from fimserve.engine.step_plan import WorkItem
from fimserve.models import LoadedModel, ModelError, load_model
from support.loops import HandLoop
from support.tiny_adapter import TARGETS, write_tiny_adapter

REQUEST = CompletionRequest(
    "def mean(values):\n    return ", "\n\nprint(mean([1, 2]))\n",
    max_tokens=24, multiline=True, trim=False,
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path, tiny_directory: Path) -> Path:
    for seed, name in enumerate(("a", "b")):
        write_tiny_adapter(tmp_path / name, tiny_directory, TARGETS["llama"], seed=seed)
    return tmp_path


@pytest.fixture
def hand(tiny_directory: Path, directory: Path, any_device: str) -> HandLoop:
    # A model of its own: adapters are added to its weights' lists.
    model = load_model(str(tiny_directory), device=any_device, dtype="fp32")
    return HandLoop(model, EngineSettings(kv_memory_mib=4, adapters=directory))


def test_adapters_are_mixed_in_one_batch(hand: HandLoop) -> None:
    adapters = hand.loop.parts.adapters
    assert adapters.available() == ("a", "b")
    adapters.load("a")
    adapters.load("b")
    names = ["a", None, "b", "a", None]
    alone = {name: hand.complete(replace(REQUEST, adapter=name)).token_ids for name in set(names)}
    assert len({tuple(ids) for ids in alone.values()}) == 3
    asked = [hand.ask(replace(REQUEST, adapter=name)) for name in names]
    hand.finish()
    assert [one.token_ids for one in asked] == [alone[name] for name in names]
    hand.loop.check_integrity()


def test_rows_with_one_adapter_lie_together(
    hand: HandLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, launched = hand.loop.parts.runner, list[list[int]]()
    launch = runner.launch

    def watching(items: list[WorkItem], adapter_slots: list[int]) -> Launched:
        launched.append(adapter_slots)
        return launch(items, adapter_slots)

    monkeypatch.setattr(runner, "launch", watching)
    for name in ("a", "b"):
        hand.loop.parts.adapters.load(name)
    for name in ("a", None, "b", "a", None):
        hand.ask(replace(REQUEST, adapter=name))
    hand.finish()
    assert [0, 0, 1, 1, 2] in launched
    assert all(slots == sorted(slots) for slots in launched)


def test_an_adapter_never_finds_what_another_computed(hand: HandLoop) -> None:
    hand.loop.parts.adapters.load("a")
    hand.complete(REQUEST)
    usage = hand.complete(replace(REQUEST, adapter="a")).deltas[-1].usage
    assert usage is not None
    assert usage.cached_tokens == 0


def test_a_replaced_adapter_serves_those_who_began_with_it(
    hand: HandLoop, directory: Path, tiny_directory: Path
) -> None:
    adapters, request = hand.loop.parts.adapters, replace(REQUEST, adapter="a")
    adapters.load("a")
    expected_old = hand.complete(request).token_ids
    older = hand.ask(request)
    for _ in range(3):
        hand.loop.step()
    shutil.rmtree(directory / "a")
    write_tiny_adapter(directory / "a", tiny_directory, TARGETS["llama"], seed=9)
    adapters.load("a")
    newer = hand.ask(request)
    hand.finish()
    assert older.token_ids == expected_old
    assert newer.token_ids != expected_old
    usage = newer.deltas[-1].usage
    assert usage is not None
    assert usage.cached_tokens == 0
    assert newer.token_ids == hand.complete(request).token_ids
    hand.loop.check_integrity()


def test_an_unloaded_adapter_is_refused_and_its_last_requests_end(hand: HandLoop) -> None:
    adapters, request = hand.loop.parts.adapters, replace(REQUEST, adapter="a")
    adapters.load("a")
    expected = hand.complete(request).token_ids
    asked = hand.ask(request)
    hand.loop.step()
    assert adapters.unload("a")
    assert not adapters.unload("a")
    (refusal,) = hand.ask(request).deliveries
    assert isinstance(refusal, AdapterNotFound)
    hand.finish()
    assert asked.token_ids == expected
    hand.loop.check_integrity()


def test_one_that_does_not_fit_leaves_the_old_one_in_place(hand: HandLoop, directory: Path) -> None:
    adapters, request = hand.loop.parts.adapters, replace(REQUEST, adapter="a")
    adapters.load("a")
    expected = hand.complete(request).token_ids
    (directory / "a" / "adapter_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError):
        adapters.load("a")
    assert adapters.loaded == ("a",)
    assert hand.complete(request).token_ids == expected


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/../b", "/etc", "a\x00", "nobody", "-x"])
def test_only_folders_of_the_directory_can_be_named(hand: HandLoop, name: str) -> None:
    with pytest.raises(AdapterNotFound, match="the adapter directory holds: a, b"):
        hand.loop.parts.adapters.load(name)


def test_without_a_directory_there_are_none(tiny_model: LoadedModel) -> None:
    adapters = HandLoop(tiny_model).loop.parts.adapters
    assert adapters.available() == ()
    with pytest.raises(AdapterNotFound, match="--adapters DIR"):
        adapters.load("a")
