"""What was cut off a prompt is guessed in the prompt's own step: fewer steps, the same text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine import CompletionRequest, EngineSettings, make_renderer
from fimserve.engine.healing import HealingIndex, cut
from fimserve.engine.launched import Launched
from fimserve.engine.step_plan import WorkItem
from fimserve.models import LoadedModel
from fimserve.prompt import Order, TextEncoder
from support.loops import Asked, HandLoop
from support.rote_model import RoteModel
from support.tiny_checkpoint import make_tiny_tokenizer

DOCUMENT = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "for value in values:\n        if value is None:\n            print(value)\n# größe 数 😀 x\n"
)
SUFFIX = "\n\nprint(mean([1, 2]))\n"
ENCODER = TextEncoder.from_json(make_tiny_tokenizer().to_str())
INDEX = HealingIndex(ENCODER.token_bytes, ENCODER.vocab_size, ENCODER.special_ids)
SETTINGS = EngineSettings(kv_memory_mib=4, block_tokens=8)
UNGUESSED = replace(SETTINGS, max_drafts=0)
RIGHT = ["def mean(", "def mean(values", "    return sum(values) /"]
"""Ends of a prefix behind which the document's own token is the one cut off."""
WRONG = ["    ret", "sum(val", "    return ", "in values:\n   "]
"""Ends of a prefix inside a token of the document."""


@pytest.fixture(scope="module")
def rote_model(tiny_model: LoadedModel) -> LoadedModel:
    """A model that knows DOCUMENT by heart."""
    encoder = make_renderer(tiny_model).encoder
    model = RoteModel(encoder, DOCUMENT, tiny_model.config.vocab_size)
    return replace(tiny_model, model=model)  # type: ignore[arg-type]


def up_to(text: str) -> str:
    return DOCUMENT[: DOCUMENT.index(text) + len(text)]


def make_request(prefix: str, **fields: object) -> CompletionRequest:
    usual: dict[str, object] = {"max_tokens": 4, "multiline": True, "trim": False}
    return CompletionRequest(prefix, SUFFIX, **(usual | fields))  # type: ignore[arg-type]


@contextmanager
def counted_steps(hand: HandLoop) -> Iterator[list[list[WorkItem]]]:
    """Yield a list that grows by the work of each step."""
    steps: list[list[WorkItem]] = []
    launch = hand.loop.parts.runner.launch

    def counting(items: list[WorkItem], slots: list[int]) -> Launched:
        steps.append(list(items))
        return launch(items, slots)

    with patch.object(hand.loop.parts.runner, "launch", counting):
        yield steps


def count_steps(hand: HandLoop, request: CompletionRequest) -> tuple[int, Asked]:
    with counted_steps(hand) as steps:
        asked = hand.complete(request)
    return len(steps), asked


# --- the guess -----------------------------------------------------------------------------------


@given(st.text(alphabet="a v=\n\r\tößé数😀", max_size=100))
def test_the_guess_spells_what_was_cut_off(text: str) -> None:
    found = cut(text, ENCODER, INDEX)
    spelt = b"".join(map(ENCODER.token_bytes, found.token_ids))
    assert spelt == (found.removed if found.token_ids else b"")
    if text.isascii() and "\r" not in text:
        assert spelt == found.removed


def test_several_tokens_are_guessed_as_they_stood() -> None:
    found = cut("x = va", ENCODER, INDEX)
    assert found.removed == b" va"
    assert list(found.token_ids) == ENCODER.encode("x = va")[-len(found.token_ids) :]


# --- fewer steps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [*Order, None])
@pytest.mark.parametrize("place", RIGHT)
def test_a_right_guess_saves_the_steps_that_heal(
    rote_model: LoadedModel, place: str, order: Order | None
) -> None:
    request = make_request(up_to(place), order=order, max_tokens=1)
    num_cut = len(cut(request.prefix, ENCODER, INDEX).token_ids)
    num_plain, plain = count_steps(HandLoop(rote_model, UNGUESSED), request)
    num_guessed, guessed = count_steps(HandLoop(rote_model, SETTINGS), request)
    assert (num_plain, num_guessed) == (1 + num_cut, 1)
    assert (guessed.token_ids, guessed.text) == (plain.token_ids, plain.text)
    assert len(guessed.token_ids) == num_cut + 1


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_guess_costs_rows_and_no_step(rote_model: LoadedModel, place: str) -> None:
    request = make_request(up_to(place))
    num_plain, plain = count_steps(HandLoop(rote_model, UNGUESSED), request)
    hand = HandLoop(rote_model, SETTINGS)
    with counted_steps(hand) as steps:
        guessed = hand.complete(request)
    assert len(steps) == num_plain
    assert (guessed.token_ids, guessed.text) == (plain.token_ids, plain.text)
    (prompt,) = steps[0]
    assert prompt.drafts
    assert guessed.token_ids[0] != prompt.drafts[0]


def test_a_keystroke_is_one_step_to_its_first_new_token(rote_model: LoadedModel) -> None:
    hand = HandLoop(rote_model, SETTINGS)
    for typed in ("def mean", "def mean(", "def mean(values", "def mean(values)"):
        request = make_request(typed, session="a", order=Order.SPM, max_tokens=1)
        num_steps, asked = count_steps(hand, request)
        assert num_steps == 1
        assert DOCUMENT.startswith(typed + asked.text)
        assert asked.text


@pytest.mark.parametrize(
    ("fields", "engine"),
    [
        ({"speculate": False}, SETTINGS),
        ({"heal": False}, SETTINGS),
        ({"max_tokens": 0}, SETTINGS),
        ({}, UNGUESSED),
    ],
)
def test_nothing_is_guessed_where_nothing_may_be(
    rote_model: LoadedModel, fields: dict[str, object], engine: EngineSettings
) -> None:
    hand = HandLoop(rote_model, engine)
    with counted_steps(hand) as steps:
        hand.complete(make_request(up_to("def mean("), **fields))
    assert not steps[0][0].drafts


def test_guesses_of_the_cut_are_no_guesses_of_new_text(rote_model: LoadedModel) -> None:
    asked = HandLoop(rote_model, SETTINGS).complete(make_request(up_to("def mean("), max_tokens=1))
    usage = asked.deltas[-1].usage
    assert usage is not None
    assert (usage.drafted_tokens, usage.accepted_tokens, usage.completion_tokens) == (0, 0, 1)


def test_the_context_has_room_for_what_is_guessed(rote_model: LoadedModel) -> None:
    config = replace(rote_model.config, max_context_tokens=24)
    hand = HandLoop(replace(rote_model, config=config), SETTINGS)
    for max_tokens in (1, 11, 12, 13, 500):
        with counted_steps(hand) as steps:
            hand.complete(make_request(up_to("    return sum(values) /"), max_tokens=max_tokens))
        assert all(item.start + len(item.token_ids) <= 24 for items in steps for item in items)


# --- the same answer -----------------------------------------------------------------------------

STYLES: list[dict[str, object]] = [
    {},
    {"temperature": 0.9, "seed": 5, "top_p": 0.95},
    {"temperature": 2.5, "seed": 1},
    {"logprobs": 3},
    {"logit_bias": {40: 6.0, 50: 4.0}},
    {"stop": ("e", "\n")},
    {"ignore_eos": True},
    {"min_tokens": 3},
    {"streamed": False},
    {"n": 3, "temperature": 1.0, "seed": 2},
]


class Told(NamedTuple):
    """What one completion of an answer says."""

    token_ids: list[int]
    text: str
    reasons: list[str]
    logprobs: list[tuple[int, int, list[int], float]]


def tell(asked: Asked) -> list[Told]:
    told: list[Told] = []
    for index in range(1 + max(delta.index for delta in asked.deltas)):
        mine = [delta for delta in asked.deltas if delta.index == index]
        told.append(
            Told(
                [token_id for delta in mine for token_id in delta.token_ids],
                "".join(delta.text for delta in mine),
                [delta.finish_reason for delta in mine if delta.finish_reason is not None],
                [
                    (one.token_id, one.text_offset, [t[0] for t in one.top], round(one.logprob, 3))
                    for delta in mine
                    for one in delta.logprobs
                ],
            )
        )
    return told


@pytest.mark.parametrize("kind", ["random", "rote"])
@pytest.mark.parametrize("style", STYLES, ids=lambda style: "-".join(style) or "greedy")
def test_the_answer_is_that_of_an_engine_that_guesses_nothing(
    tiny_model: LoadedModel, rote_model: LoadedModel, style: dict[str, object], kind: str
) -> None:
    loaded = rote_model if kind == "rote" else tiny_model
    for length in range(0, len(DOCUMENT), 3):
        order = [*Order, None][length % 4]
        fields = {"order": order, "session": "a", "max_tokens": 5, **style}
        request = make_request(DOCUMENT[:length], **fields)
        guessed = HandLoop(loaded, SETTINGS).complete(request)
        assert tell(guessed) == tell(HandLoop(loaded, UNGUESSED).complete(request))


@pytest.mark.parametrize("num_steps", range(1, 6))
def test_cancelled_at_any_step_nothing_is_left_behind(
    tiny_model: LoadedModel, num_steps: int
) -> None:
    hand = HandLoop(tiny_model, SETTINGS)
    request = make_request(up_to("    return sum(values) /"), session="a", max_tokens=9)
    expected = HandLoop(tiny_model, UNGUESSED).complete(request).token_ids
    asked = hand.ask(request)
    for _ in range(num_steps):
        hand.loop.step()
    hand.loop.end(asked.ticket, "cancelled")
    assert asked.token_ids == expected[: len(asked.token_ids)]
    hand.loop.check_integrity()
    assert hand.complete(request).token_ids == expected


@given(
    places=st.lists(st.integers(0, len(DOCUMENT)), min_size=2, max_size=8),
    max_step_tokens=st.sampled_from([3, 8, 16, 64, 4096]),
    num_tokens=st.sampled_from([300, 4000]),
    temperature=st.sampled_from([0.0, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_in_company_in_pieces_and_with_little_memory(
    tiny_model: LoadedModel,
    places: list[int],
    max_step_tokens: int,
    num_tokens: int,
    temperature: float,
) -> None:
    requests = [
        make_request(DOCUMENT[:place], temperature=temperature, seed=place, max_tokens=7)
        for place in places
    ]
    alone = HandLoop(tiny_model, UNGUESSED)
    expected = [alone.complete(request).token_ids for request in requests]
    hand = HandLoop(tiny_model, replace(SETTINGS, max_step_tokens=max_step_tokens))
    with hand.less_memory(num_tokens):
        asked = [hand.ask(request) for request in requests]
        hand.finish()
    assert [one.token_ids for one in asked] == expected
    hand.loop.check_integrity()
