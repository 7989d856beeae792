"""Steps on fixed memory, launched ahead of being read, write the same tokens as plain ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.engine import CompletionRequest, EngineSettings
from fimserve.engine.graph_runner import GraphRunner
from fimserve.engine.launched import Launched
from fimserve.engine.settings import EngineSettingsError
from fimserve.engine.step_buckets import ROWS, Bucket, list_buckets, shape_bucket
from fimserve.engine.step_plan import WorkItem
from fimserve.models import LoadedModel, load_model
from support.loops import Asked, HandLoop
from support.tiny_adapter import TARGETS, write_tiny_adapter

DOCUMENT = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "for index, value in enumerate(values):\n    print(index, value)\n"
)
PLACES = (9, 31, 60, 100, len(DOCUMENT))
PLAIN = EngineSettings(kv_memory_mib=2, block_tokens=8, max_step_tokens=48)
GRAPHS = replace(PLAIN, gpu_path="graphs", graph_adapter_rank=4)


def ask_at(place: int, max_tokens: int = 10, **fields: object) -> CompletionRequest:
    request = CompletionRequest(
        DOCUMENT[:place], DOCUMENT[place:], max_tokens=max_tokens, multiline=True, trim=False
    )
    return replace(request, **fields)  # type: ignore[arg-type]


def count_ahead(hand: HandLoop, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the size of each step launched ahead."""
    runner = hand.loop.parts.runner
    assert isinstance(runner, GraphRunner)
    launch, sizes = runner.launch_behind, list[int]()

    def counting(
        before: Launched, items: list[WorkItem], adapter_slots: list[int]
    ) -> Launched | None:
        launched = launch(before, items, adapter_slots)
        if launched is not None:
            sizes.append(len(items))
        return launched

    monkeypatch.setattr(runner, "launch_behind", counting)
    return sizes


@pytest.mark.parametrize("max_drafts", [0, 4])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ignore_eos": True},
        {"temperature": 0.9, "seed": 3},
        {"logprobs": 2},
        {"ignore_eos": True, "stop_token_ids": frozenset({40})},
    ],
)
def test_the_tokens_are_those_of_plain_steps(
    any_family: LoadedModel,
    fields: dict[str, object],
    max_drafts: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = [ask_at(place, session="a", **fields) for place in PLACES]
    plain = HandLoop(any_family, replace(PLAIN, max_drafts=max_drafts))
    graphs = HandLoop(any_family, replace(GRAPHS, max_drafts=max_drafts))
    ahead = count_ahead(graphs, monkeypatch)
    expected = [plain.complete(request).token_ids for request in requests]
    assert [graphs.complete(request).token_ids for request in requests] == expected
    if fields in ({}, {"ignore_eos": True}):
        assert len(ahead) > len(requests), "no step was launched ahead"
    else:
        assert not ahead, "a step was launched on tokens that somebody still had to choose"


def test_end_tokens_are_left_out_on_the_device(
    any_family: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask_at(60, max_tokens=12, ignore_eos=True)
    written = HandLoop(any_family, replace(PLAIN, max_drafts=0)).complete(request).token_ids
    ending = replace(any_family, eos_token_ids=frozenset(written[4:6]))
    expected = HandLoop(ending, replace(PLAIN, max_drafts=0)).complete(request).token_ids
    assert not ending.eos_token_ids & set(expected)
    hand = HandLoop(ending, replace(GRAPHS, max_drafts=0))
    ahead = count_ahead(hand, monkeypatch)
    assert hand.complete(request).token_ids == expected
    assert len(ahead) > 5


def test_company_that_comes_and_goes(
    any_family: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(4)
    request = ask_at(60, max_tokens=30)
    expected = HandLoop(any_family, PLAIN).complete(request).token_ids
    hand = HandLoop(any_family, replace(GRAPHS, max_drafts=0))
    ahead = count_ahead(hand, monkeypatch)
    for _ in range(3):
        watched = hand.ask(request)
        others: list[Asked] = []
        while not watched.is_over:
            if dice.random() < 0.2:
                others.append(hand.ask(ask_at(dice.choice(PLACES), max_tokens=dice.randrange(9))))
            if others and dice.random() < 0.2:
                hand.loop.end(dice.choice(others).ticket, "cancelled")
            hand.loop.step()
        assert watched.token_ids == expected
        hand.finish()
        hand.loop.check_integrity()
    assert max(ahead) > 1


def test_a_step_thrown_away_is_computed_again(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask_at(60, max_tokens=12)
    expected = HandLoop(tiny_model, PLAIN).complete(request).token_ids
    hand = HandLoop(tiny_model, replace(GRAPHS, max_drafts=0))
    monkeypatch.setattr(hand.loop, "_is_right", lambda ahead: False)
    assert hand.complete(request).token_ids == expected


def test_a_token_that_the_device_did_not_choose_is_noticed(tiny_model: LoadedModel) -> None:
    hand = HandLoop(tiny_model, replace(GRAPHS, max_drafts=0))
    asked = hand.ask(ask_at(60, max_tokens=12))
    while hand.loop._ahead is None:
        hand.loop.step()
    ahead = hand.loop._ahead
    assert hand.loop._is_right(ahead)
    assert not hand.loop._is_right(replace(ahead, expected=[ahead.expected[0] + 1]))
    hand.loop.end(asked.ticket, "cancelled")
    assert not hand.loop._is_right(ahead)


def test_preemption_with_steps_on_their_way(any_family: LoadedModel) -> None:
    requests = [ask_at(place, max_tokens=20) for place in PLACES]
    expected = [HandLoop(any_family, PLAIN).complete(one).token_ids for one in requests]
    hand = HandLoop(any_family, replace(GRAPHS, max_drafts=0))
    with hand.less_memory(320):
        asked = [hand.ask(request) for request in requests]
        hand.finish()
    assert [one.token_ids for one in asked] == expected
    hand.loop.check_integrity()


@pytest.fixture(scope="module")
def adapters(any_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters of each family: a and b of every layer and unlike ranks, c of one kind of layer."""
    directory = tmp_path_factory.mktemp("adapters")
    family = json.loads((any_directory / "config.json").read_text())["model_type"]
    targets = TARGETS[family]
    for seed, (name, kinds, rank) in enumerate(
        [("a", targets, 4), ("b", targets, 2), ("c", targets[-1:], 3), ("large", targets, 9)]
    ):
        write_tiny_adapter(directory / name, any_directory, kinds, seed=seed, r=rank)
    return directory


MakeHand = Callable[..., HandLoop]


@pytest.fixture
def make_hand(any_directory: Path, any_device: str, adapters: Path) -> MakeHand:
    """Makes loops with adapters, each over a model of its own: adapters are added to that."""

    def make(settings: EngineSettings, *names: str) -> HandLoop:
        model = load_model(str(any_directory), device=any_device, dtype="fp32")
        hand = HandLoop(model, replace(settings, adapters=adapters))
        for name in names:
            hand.loop.parts.adapters.load(name)
        return hand

    return make


def count_plain(hand: HandLoop, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the size of each step that is not on fixed memory."""
    runner = hand.loop.parts.runner
    assert isinstance(runner, GraphRunner)
    plain, sizes = runner._plain, list[int]()
    launch = plain.launch

    def counting(items: list[WorkItem], adapter_slots: list[int]) -> Launched:
        sizes.append(len(items))
        return launch(items, adapter_slots)

    monkeypatch.setattr(plain, "launch", counting)
    return sizes


NAMES = ("a", None, "b", "c", "a")


@pytest.mark.parametrize("max_drafts", [0, 4])
@pytest.mark.parametrize("fields", [{}, {"temperature": 0.9, "seed": 3}])
def test_adapters_are_mixed_on_fixed_memory(
    make_hand: MakeHand,
    fields: dict[str, object],
    max_drafts: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = [
        ask_at(place, adapter=name, **fields) for name, place in zip(NAMES, PLACES, strict=True)
    ]
    plain = make_hand(replace(PLAIN, max_drafts=0), "a", "b", "c")
    expected = [plain.complete(request).token_ids for request in requests]
    bare = [plain.complete(replace(request, adapter=None)).token_ids for request in requests]
    for name, with_it, without in zip(NAMES, expected, bare, strict=True):
        assert (with_it == without) == (name is None), "an adapter that changes nothing"
    hand = make_hand(replace(GRAPHS, max_drafts=max_drafts), "a", "b", "c")
    ahead, aside = count_ahead(hand, monkeypatch), count_plain(hand, monkeypatch)
    assert [hand.complete(request).token_ids for request in requests] == expected
    asked = [hand.ask(request) for request in requests]
    hand.finish()
    assert [one.token_ids for one in asked] == expected
    hand.loop.check_integrity()
    assert not aside, "a step left the fixed memory"
    if not fields:
        assert max(ahead) > 1, "no step with adapters was launched ahead"


def test_adapters_come_and_go_under_what_is_recorded(make_hand: MakeHand) -> None:
    request = ask_at(60, max_tokens=12)
    names = ["a", "b", "c", "a"]
    plain = make_hand(PLAIN, "a", "b", "c")
    expected = [plain.complete(replace(request, adapter=name)).token_ids for name in names]
    assert len({tuple(ids) for ids in expected}) == 3
    bare = plain.complete(request).token_ids
    hand = make_hand(replace(GRAPHS, max_drafts=0))
    runner, adapters = hand.loop.parts.runner, hand.loop.parts.adapters
    assert isinstance(runner, GraphRunner)
    recorded: set[int] = set()
    for name, ids in zip(names, expected, strict=True):
        adapters.load(name)
        assert {one.slot for one in adapters._by_slot.values()} == {1}
        assert hand.complete(replace(request, adapter=name)).token_ids == ids
        now = {id(one) for bucket, one in runner._recorded.items() if bucket.has_adapters}
        assert not recorded or now == recorded, "steps were recorded anew"
        recorded = now
        adapters.unload(name)
    assert recorded
    assert hand.complete(request).token_ids == bare


def test_one_that_the_fixed_memory_does_not_hold_is_served_all_the_same(
    make_hand: MakeHand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [ask_at(60, adapter=name) for name in ("large", "a", "b", None)]
    plain = make_hand(PLAIN, "large", "a", "b")
    expected = [plain.complete(request).token_ids for request in requests]
    assert "adapters of rank" not in caplog.text
    hand = make_hand(replace(GRAPHS, graph_adapters=2), "large", "a", "b")
    aside = count_plain(hand, monkeypatch)
    assert caplog.text.count("room for 2 adapters of rank 4") == 2
    for request, ids in zip(requests, expected, strict=True):
        assert hand.complete(request).token_ids == ids
        assert bool(aside) == (request.adapter in ("large", "b"))
        aside.clear()
    asked = [hand.ask(request) for request in requests]
    hand.finish()
    assert [one.token_ids for one in asked] == expected
    assert max(aside) == len(requests)
    hand.loop.check_integrity()


def test_a_fresh_loop_serves_the_adapters_that_are_loaded(
    make_hand: MakeHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = make_hand(GRAPHS, "a", "b")
    request = ask_at(60, adapter="b")
    expected = hand.complete(request).token_ids
    hand.loop = hand.assembly.make_loop()
    aside = count_plain(hand, monkeypatch)
    assert hand.complete(request).token_ids == expected
    assert not aside


def test_steps_with_adapters_are_recorded_where_there_may_be_some(
    make_hand: MakeHand, any_family: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hand, expected in (
        (make_hand(GRAPHS), {False, True}),
        (HandLoop(any_family, GRAPHS), {False}),
    ):
        runner, buckets = hand.loop.parts.runner, list[Bucket]()
        assert isinstance(runner, GraphRunner)
        monkeypatch.setattr(runner, "_record", buckets.append)
        runner.warm_up(usual_context_tokens=600)
        assert {bucket.has_adapters for bucket in buckets} == expected
        assert {bucket.context_tokens for bucket in buckets if bucket.num_rows == 1} == {512, 1024}


def test_every_step_of_the_usual_sizes_has_a_bucket() -> None:
    buckets = list_buckets(max_context_tokens=2304, max_sequences=64, max_step_tokens=256)
    assert len(buckets) == len(set(buckets))
    assert {bucket.context_tokens for bucket in buckets} == {512, 1024, 2048, 4096}
    assert {bucket.num_rows for bucket in buckets if bucket.layout == "decode"} == {
        1,
        2,
        4,
        8,
        16,
        32,
        64,
    }
    assert {bucket.num_rows for bucket in buckets if bucket.layout == "mixed"} == {
        rows for rows in ROWS if 1 < rows <= 256
    }


@pytest.mark.parametrize(("group", "num_kv_heads"), [(1, 16), (12, 2), (48, 1)])
def test_buckets_fill_the_card_without_splitting_hairs(group: int, num_kv_heads: int) -> None:
    for bucket in list_buckets(16384, 64, 2048):
        shape = shape_bucket(bucket, group, num_kv_heads)
        assert shape.num_splits >= 1
        assert bucket.context_tokens // shape.num_splits >= 64
        assert (shape.tile_rows == 1) == (bucket.layout == "decode")
    lone = shape_bucket(Bucket(1, "decode", 2048), group, num_kv_heads)
    assert lone.num_splits == 32


def test_an_unknown_path_is_refused() -> None:
    with pytest.raises(EngineSettingsError, match="gpu_path is 'fast'; use auto, eager or graphs"):
        EngineSettings(gpu_path="fast")  # type: ignore[arg-type]
