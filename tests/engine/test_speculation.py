"""Guessing ahead: what is found, and when guessing is given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.speculation import (
    MAX_NGRAM,
    MIN_NGRAM,
    PROBE_STEPS,
    DraftSource,
    SpeculationGate,
    StepCost,
)


def propose_slowly(history: list[int], tokens: list[int], count: int) -> list[int]:
    """Look at every place, longest run of last tokens first, history before prompt, last first."""
    for size in range(MAX_NGRAM, MIN_NGRAM - 1, -1):
        pattern = tokens[-size:]
        for text in (history, tokens):
            for start in range(len(text) - len(pattern) - 1, -1, -1):
                if text[start : start + len(pattern)] == pattern:
                    end = start + len(pattern)
                    return text[end : end + count]
    return []


def test_what_followed_before_is_guessed_again() -> None:
    assert DraftSource().propose([1, 2, 3, 4, 9, 1, 2], 2) == [3, 4]


def test_the_latest_place_wins() -> None:
    assert DraftSource().propose([1, 2, 3, 1, 2, 4, 1, 2], 1) == [4]


def test_the_longest_match_wins() -> None:
    assert DraftSource().propose([7, 1, 2, 3, 1, 2, 4, 7, 1, 2], 1) == [3]


def test_a_suggestion_half_typed_is_guessed_from_the_history() -> None:
    suggestion = [50, 51, 52, 53, 54]
    prompt = [1, 2, 50, 51]
    assert DraftSource(suggestion).propose(prompt, 8) == [52, 53, 54]


def test_a_single_token_is_too_little_to_go_by() -> None:
    assert DraftSource().propose([5, 6, 5], 3) == []


def test_nothing_new_gives_no_guess() -> None:
    assert DraftSource().propose([1, 2, 3, 4], 4) == []
    assert DraftSource().propose([], 4) == []


# Ids whose bytes overlap: a search over bytes that forgot where ids begin would find more.
IDS = st.sampled_from([0, 1, 256, 65536, 0x01010101, 0x00010001, 0x01000100])


@given(st.lists(IDS, max_size=30), st.lists(IDS, max_size=30), st.integers(1, 6), st.data())
def test_the_search_over_bytes_finds_what_a_search_over_tokens_finds(
    history: list[int], tokens: list[int], count: int, data: st.DataObject
) -> None:
    source = DraftSource(history)
    # The source reads only what was added since it was asked last.
    source.propose(tokens[: data.draw(st.integers(0, len(tokens)))], count)
    assert source.propose(tokens, count) == propose_slowly(history, tokens, count)


def test_a_session_whose_guesses_fail_is_asked_rarely() -> None:
    gate = SpeculationGate()
    num_allowed = 0
    for _ in range(2000):
        if gate.allows(cost_share=0.2):
            num_allowed += 1
            gate.observe(num_drafts=4, num_accepted=0)
    assert num_allowed < 2000 / PROBE_STEPS + 20


def test_a_session_whose_guesses_are_right_always_guesses() -> None:
    gate = SpeculationGate()
    for _ in range(200):
        assert gate.allows(cost_share=0.2)
        gate.observe(num_drafts=4, num_accepted=3)


def test_a_session_that_turned_bad_recovers_once_guesses_are_right_again() -> None:
    gate = SpeculationGate()
    for _ in range(100):
        gate.observe(num_drafts=4, num_accepted=0)
    num_chances = num_in_a_row = 0
    while num_in_a_row < 2:
        num_chances += 1
        if gate.allows(0.2):
            num_in_a_row += 1
            gate.observe(num_drafts=6, num_accepted=6)
        else:
            num_in_a_row = 0
    assert num_chances < 10 * PROBE_STEPS


def test_guesses_that_cost_nothing_are_made_even_if_rarely_right() -> None:
    gate = SpeculationGate()
    for _ in range(500):
        gate.observe(num_drafts=4, num_accepted=0)
        gate.observe(num_drafts=4, num_accepted=1)
    assert gate.allows(cost_share=0.01)
    assert not gate.allows(cost_share=0.5)


def test_the_cost_of_a_guess_is_what_it_adds() -> None:
    cost = StepCost()
    for _ in range(200):
        cost.observe(num_drafts=0, elapsed_ms=10.0)
        cost.observe(num_drafts=4, elapsed_ms=18.0)
    assert abs(cost.draft_share - 0.2) < 1e-6


def test_a_faster_step_with_guesses_costs_nothing() -> None:
    cost = StepCost()
    for _ in range(50):
        cost.observe(num_drafts=0, elapsed_ms=10.0)
        cost.observe(num_drafts=2, elapsed_ms=9.0)
    assert cost.draft_share == 0.0
