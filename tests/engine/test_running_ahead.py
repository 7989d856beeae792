"""Steps are launched ahead while nothing can be guessed, and wait once something can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine import CompletionRequest, EngineSettings
from fimserve.engine.launched import Launched
from fimserve.engine.speculation import PROBE_STEPS
from fimserve.engine.step_plan import WorkItem
from fimserve.models import LoadedModel
from support.loops import Asked, HandLoop

DOCUMENT = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "for index, value in enumerate(values):\n    print(index, value)\n"
)
PLACES = (9, 31, 60, 100, len(DOCUMENT))
PLAIN = EngineSettings(kv_memory_mib=2, block_tokens=8, max_drafts=0)
GRAPHS = replace(PLAIN, gpu_path="graphs", max_drafts=4)
NUM_NEW = 14


def ask_at(place: int, **fields: object) -> CompletionRequest:
    usual: dict[str, object] = {
        "max_tokens": NUM_NEW, "multiline": True, "trim": False, "heal": False
    }  # fmt: skip
    return CompletionRequest(DOCUMENT[:place], DOCUMENT[place:], **(usual | fields))  # type: ignore[arg-type]


@dataclass(slots=True)
class Oracle:
    """Guesses as it is told to: stands in for a source of drafts."""

    num_prompt_tokens: int
    expected: list[int]
    """What will be written."""
    num_right: dict[int, int]
    """Guesses that are right behind so many tokens, before wrong ones; elsewhere none is made."""

    def propose(self, token_ids: Sequence[int], num_drafts: int) -> list[int]:
        num_written = len(token_ids) - self.num_prompt_tokens
        assert list(token_ids[self.num_prompt_tokens :]) == self.expected[:num_written]
        if num_written not in self.num_right:
            return []
        rest = self.expected[num_written : num_written + num_drafts]
        first_wrong = self.num_right[num_written]
        return [t if i < first_wrong else (t + 1) % 300 for i, t in enumerate(rest)]


def let_guess(hand: HandLoop, asked: Asked, expected: list[int], right: dict[int, int]) -> None:
    """Let an oracle guess what a request writes."""
    answer = hand.loop._answers[asked.ticket]
    for generation in answer.generations.values():
        generation.drafts = Oracle(len(answer.plan.token_ids), expected, right)  # type: ignore[assignment]


@dataclass(slots=True)
class Steps:
    """Counts the steps of a loop."""

    num_waited: int = 0
    num_ahead: int = 0
    num_guessed: int = 0
    """Steps with guesses in them."""


@contextmanager
def counted(hand: HandLoop) -> Iterator[Steps]:
    runner, steps = hand.loop.parts.runner, Steps()
    launch, launch_behind = runner.launch, runner.launch_behind

    def count(items: list[WorkItem], slots: list[int]) -> Launched:
        steps.num_waited += 1
        steps.num_guessed += any(item.drafts for item in items)
        return launch(items, slots)

    def count_behind(before: Launched, items: list[WorkItem], slots: list[int]) -> Launched | None:
        launched = launch_behind(before, items, slots)
        steps.num_ahead += launched is not None
        return launched

    with (
        patch.object(runner, "launch", count),
        patch.object(runner, "launch_behind", count_behind),
    ):
        yield steps


def write_plainly(loaded: LoadedModel, request: CompletionRequest) -> list[int]:
    return HandLoop(loaded, PLAIN).complete(request).token_ids


def tell(asked: Asked) -> list[tuple[list[int], str]]:
    """Return the tokens and the text of each completion."""
    told: list[tuple[list[int], str]] = []
    for index in range(asked.ticket.request.n):
        mine = [delta for delta in asked.deltas if delta.index == index]
        ids = [token_id for delta in mine for token_id in delta.token_ids]
        told.append((ids, "".join(delta.text for delta in mine)))
    return told


# --- when ----------------------------------------------------------------------------------------


def test_without_a_guess_only_the_prompt_is_waited_for(tiny_model: LoadedModel) -> None:
    request = ask_at(60)
    expected = write_plainly(tiny_model, request)
    hand = HandLoop(tiny_model, GRAPHS)
    with counted(hand) as steps:
        asked = hand.ask(request)
        let_guess(hand, asked, expected, {})
        hand.finish()
    assert asked.token_ids == expected
    assert (steps.num_waited, steps.num_ahead) == (1, NUM_NEW - 1)


def test_a_guess_that_turns_up_is_checked_one_token_later(tiny_model: LoadedModel) -> None:
    request = ask_at(60)
    expected = write_plainly(tiny_model, request)
    hand = HandLoop(tiny_model, GRAPHS)
    with counted(hand) as steps:
        asked = hand.ask(request)
        # Behind the sixth token: known when the seventh is on its way, checked behind that.
        let_guess(hand, asked, expected, {6: 4, 7: 4})
        hand.finish()
    assert asked.token_ids == expected
    usage = asked.deltas[-1].usage
    assert usage is not None
    assert (usage.drafted_tokens, usage.accepted_tokens) == (4, 4)
    assert (steps.num_guessed, steps.num_waited) == (1, 3)  # prompt, guesses, and what follows
    assert steps.num_waited + steps.num_ahead == NUM_NEW - 4


def test_a_guess_that_is_gone_one_token_later_costs_one_wait(tiny_model: LoadedModel) -> None:
    request = ask_at(60)
    expected = write_plainly(tiny_model, request)
    hand = HandLoop(tiny_model, GRAPHS)
    with counted(hand) as steps:
        asked = hand.ask(request)
        let_guess(hand, asked, expected, {6: 4})
        hand.finish()
    assert asked.token_ids == expected
    assert (steps.num_guessed, steps.num_waited, steps.num_ahead) == (0, 2, NUM_NEW - 2)


def test_the_last_token_needs_no_guess(tiny_model: LoadedModel) -> None:
    request = ask_at(60)
    expected = write_plainly(tiny_model, request)
    hand = HandLoop(tiny_model, GRAPHS)
    with counted(hand) as steps:
        asked = hand.ask(request)
        let_guess(hand, asked, expected, {NUM_NEW - 2: 4, NUM_NEW - 1: 4})
        hand.finish()
    assert asked.token_ids == expected
    assert (steps.num_guessed, steps.num_waited) == (0, 1)


def test_a_session_that_gains_nothing_is_probed_while_it_runs_ahead(
    tiny_model: LoadedModel,
) -> None:
    request = ask_at(60, max_tokens=PROBE_STEPS + 20, session="a")
    expected = write_plainly(tiny_model, request)
    hand = HandLoop(tiny_model, GRAPHS)
    with counted(hand) as steps:
        asked = hand.ask(request)
        answer = hand.loop._answers[asked.ticket]
        answer.session.gate.accepted_share = 0.0
        let_guess(hand, asked, expected, dict.fromkeys(range(200), 0))
        hand.finish()
    assert asked.token_ids == expected
    assert steps.num_guessed == 1


# --- what is written -----------------------------------------------------------------------------

GUESSES = st.dictionaries(st.integers(0, NUM_NEW), st.integers(0, 4), max_size=NUM_NEW)


@given(
    asked=st.lists(st.tuples(st.sampled_from(PLACES), GUESSES), min_size=1, max_size=4),
    late=st.integers(0, 6),
    cancelled=st.none() | st.integers(0, 12),
    fields=st.sampled_from([{}, {}, {"ignore_eos": True}, {"stop": ("a",)}, {"heal": True}]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_guessed_no_token_is_lost_or_written_twice(
    tiny_model: LoadedModel,
    asked: list[tuple[int, dict[int, int]]],
    late: int,
    cancelled: int | None,
    fields: dict[str, object],
) -> None:
    requests = [ask_at(place, **fields) for place, _ in asked]
    expected = [write_plainly(tiny_model, request) for request in requests]
    hand = HandLoop(tiny_model, GRAPHS)
    running: list[Asked] = []
    for request, ids, (_, right) in zip(requests, expected, asked, strict=True):
        running.append(hand.ask(request))
        let_guess(hand, running[-1], ids, right)
        for _ in range(late if len(running) == 1 else 0):
            hand.loop.step()
    if cancelled is not None:
        for _ in range(cancelled):
            hand.loop.step()
        hand.loop.end(running[0].ticket, "cancelled")
    hand.finish()
    for number, (one, ids) in enumerate(zip(running, expected, strict=True)):
        if number or cancelled is None:
            assert one.token_ids == ids
        else:
            assert one.token_ids == ids[: len(one.token_ids)]
    hand.loop.check_integrity()


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.9, "seed": 3},
        {"logprobs": 2},
        {"streamed": False},
        {"speculate": False},
        {"n": 3},
    ],
)
def test_typed_on_through_its_own_suggestion(
    any_family: LoadedModel, fields: dict[str, object]
) -> None:
    """Guesses come from the session's history; between them, steps are launched ahead."""
    text = DOCUMENT + DOCUMENT
    places = range(len(DOCUMENT) + 40, len(DOCUMENT) + 52)
    requests = [
        replace(ask_at(0, session="a", heal=True, **fields), prefix=text[:place])
        for place in places
    ]
    hand = HandLoop(any_family, GRAPHS)
    with counted(hand) as steps:
        answers = [tell(hand.complete(request)) for request in requests]
    plain = HandLoop(any_family, PLAIN)
    assert answers == [tell(plain.complete(request)) for request in requests]
    if "speculate" in fields:
        assert not steps.num_guessed
    if not fields.keys() & {"temperature", "logprobs"}:
        assert steps.num_ahead


def test_guesses_and_steps_ahead_in_one_session(any_family: LoadedModel) -> None:
    hand = HandLoop(any_family, GRAPHS)
    request = ask_at(60, session="a", heal=True)
    with counted(hand) as steps:
        answers = [hand.complete(request) for _ in range(2)]
    assert answers[0].token_ids == answers[1].token_ids == write_plainly(any_family, request)
    usage = answers[1].deltas[-1].usage
    assert usage is not None
    assert usage.accepted_tokens
    assert steps.num_ahead
