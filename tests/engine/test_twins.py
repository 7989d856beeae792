"""Every optimisation and its slow twin write the same tokens, on every family.

One document is completed at many places, as an editor would; each test switches one thing.
"""

from __future__ import annotations

import json
import random
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.engine import CompletionRequest, EngineSettings
from fimserve.models import LoadedModel, load_model
from fimserve.prompt import Order
from support.loops import Asked, HandLoop
from support.tiny_adapter import TARGETS, load_with_peft, write_tiny_adapter

DOCUMENT = (
    "import os\n\n\ndef mean(values):\n    return sum(values) / len(values)\n\n\n"
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n\n"
    "    def norm(self):\n        return (self.x * self.x + self.y * self.y) ** 0.5\n\n\n"
    "for index, value in enumerate(values):\n    if value is None:\n        continue\n"
    "    print(index, value)\n"
)
PLACES = (9, 31, 32, 60, 100, 147, 200, 201, 202, 260, len(DOCUMENT))
SMALL = EngineSettings(kv_memory_mib=2, block_tokens=8, max_step_tokens=16)


def ask_at(place: int, **fields: object) -> CompletionRequest:
    request = CompletionRequest(
        DOCUMENT[:place], DOCUMENT[place:], max_tokens=12, multiline=True, trim=False
    )
    return replace(request, **fields)  # type: ignore[arg-type]


def write_all(hand: HandLoop, requests: list[CompletionRequest]) -> list[list[int]]:
    return [hand.complete(request).token_ids for request in requests]


def write_fresh(loaded: LoadedModel, requests: list[CompletionRequest]) -> list[list[int]]:
    """Answer each request in an engine of its own, whole prompt at once, nothing guessed."""
    settings = EngineSettings(kv_memory_mib=4, max_step_tokens=4096, max_drafts=0)
    return [HandLoop(loaded, settings).complete(request).token_ids for request in requests]


SAMPLED = {"temperature": 0.9, "seed": 5, "top_p": 0.95}


@pytest.fixture(params=["greedy", "sampled"])
def style(request: pytest.FixtureRequest) -> dict[str, object]:
    return SAMPLED if request.param == "sampled" else {}


@pytest.mark.parametrize("order", Order)
def test_cache_on_and_off(any_family: LoadedModel, order: Order, style: dict[str, object]) -> None:
    requests = [ask_at(place, order=order, session="a", **style) for place in PLACES]
    hand = HandLoop(any_family, SMALL)
    answers = [hand.complete(request) for request in requests + requests]
    expected = write_fresh(any_family, requests)
    assert [one.token_ids for one in answers] == expected * 2
    usages = [one.deltas[-1].usage for one in answers]
    assert sum(usage.cached_tokens for usage in usages if usage is not None) > 0


def test_prompts_in_pieces_and_whole(any_family: LoadedModel, style: dict[str, object]) -> None:
    requests = [ask_at(place, **style) for place in PLACES]
    for max_step_tokens in (1, 7, 64):
        settings = EngineSettings(kv_memory_mib=2, block_tokens=4, max_step_tokens=max_step_tokens)
        assert write_all(HandLoop(any_family, settings), requests) == write_fresh(
            any_family, requests
        )


def test_alone_and_in_company(any_family: LoadedModel, style: dict[str, object]) -> None:
    requests = [ask_at(place, **style) for place in PLACES]
    hand = HandLoop(any_family, SMALL)
    asked = [hand.ask(request) for request in requests]
    hand.finish()
    assert [one.token_ids for one in asked] == write_fresh(any_family, requests)
    hand.loop.check_integrity()


def test_company_that_comes_and_goes(any_family: LoadedModel, style: dict[str, object]) -> None:
    """Others arrive, finish and are cancelled at random while one is written."""
    dice = random.Random(4)
    request = ask_at(147, max_tokens=40, **style)
    (expected,) = write_fresh(any_family, [request])
    for _ in range(4):
        hand = HandLoop(any_family, SMALL)
        watched = hand.ask(request)
        others: list[Asked] = []
        while not watched.is_over:
            if dice.random() < 0.5:
                others.append(hand.ask(ask_at(dice.choice(PLACES), max_tokens=dice.randrange(9))))
            if others and dice.random() < 0.2:
                hand.loop.end(dice.choice(others).ticket, "cancelled")
            hand.loop.step()
        assert watched.token_ids == expected
        hand.finish()
        hand.loop.check_integrity()


def test_guessing_on_and_off(any_family: LoadedModel, style: dict[str, object]) -> None:
    # Typed on through its own suggestion, where guesses come from the session's history.
    text = DOCUMENT + DOCUMENT
    places = range(len(DOCUMENT) + 40, len(DOCUMENT) + 60)
    requests = [
        CompletionRequest(
            text[:place], "", max_tokens=16, multiline=True, trim=False, session="a",
            **style,  # type: ignore[arg-type]
        )
        for place in places
    ]  # fmt: skip
    hand = HandLoop(any_family, EngineSettings(kv_memory_mib=4, max_drafts=5))
    answers = [hand.complete(request) for request in requests]
    assert [one.token_ids for one in answers] == write_fresh(any_family, requests)
    usages = [one.deltas[-1].usage for one in answers]
    assert sum(usage.accepted_tokens for usage in usages if usage is not None) > 0


def test_preempted_and_undisturbed(any_family: LoadedModel, style: dict[str, object]) -> None:
    """Memory for about two of them: they push each other out, and end as if alone."""
    requests = [ask_at(place, max_tokens=60, **style) for place in PLACES[:6]]
    hand = HandLoop(any_family, EngineSettings(kv_memory_mib=1, block_tokens=8))
    with hand.less_memory(num_tokens=420):
        asked = [hand.ask(request) for request in requests]
        hand.finish()
    assert [one.token_ids for one in asked] == write_fresh(any_family, requests)
    assert hand.loop.parts.scheduler.num_preemptions > 0
    hand.loop.check_integrity()


def test_streamed_and_whole(any_family: LoadedModel, style: dict[str, object]) -> None:
    num_pieces = 0
    for place in PLACES:
        request = ask_at(place, trim=True, multiline=None, **style)
        streamed = HandLoop(any_family, SMALL).complete(request)
        whole = HandLoop(any_family, SMALL).complete(replace(request, streamed=False))
        assert len(whole.deltas) == 1
        num_pieces += len(streamed.deltas)
        assert streamed.text == whole.text
        assert streamed.token_ids == whole.token_ids
    assert num_pieces > len(PLACES)


def test_one_of_several_completions_and_the_same_one_alone(any_family: LoadedModel) -> None:
    request = ask_at(147, temperature=0.9, seed=5, n=4)
    many = HandLoop(any_family, SMALL).complete(request)
    texts = ["".join(d.text for d in many.deltas if d.index == index) for index in range(4)]
    assert len(set(texts)) > 1
    alone = HandLoop(any_family, SMALL).complete(replace(request, n=1))
    assert texts[0] == alone.text


def test_adapter_beside_the_weights_and_merged_into_them(
    any_directory: Path, tmp_path: Path, style: dict[str, object]
) -> None:
    """PEFT merges; the engine keeps the factors apart and adds what they change to each product."""
    family = json.loads((any_directory / "config.json").read_text())["model_type"]
    adapter = write_tiny_adapter(tmp_path / "adapters" / "mine", any_directory, TARGETS[family])
    merged = shutil.copytree(any_directory, tmp_path / "merged")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_with_peft(any_directory, adapter).merge_and_unload().save_pretrained(merged)
    base = load_model(str(any_directory), device="cpu", dtype="fp32")
    hand = HandLoop(base, replace(SMALL, adapters=tmp_path / "adapters"))
    hand.loop.parts.adapters.load("mine")
    requests = [ask_at(place, **style) for place in PLACES]
    written = write_all(hand, [replace(request, adapter="mine") for request in requests])
    assert written == write_fresh(load_model(str(merged), device="cpu", dtype="fp32"), requests)
    assert written != write_fresh(base, requests)
