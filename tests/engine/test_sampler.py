"""Choosing tokens: filters, determinism, bans; the numbers depend on seed and place alone."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.sampler import Sampler, SamplingParams

SCORES = torch.tensor([2.0, 1.0, 0.0, -1.0])


def draw(params: SamplingParams, seed: int = 0, count: int = 400) -> Counter[int]:
    sampler = Sampler(params, seed)
    return Counter(sampler.choose(SCORES, position) for position in range(count))


def test_greedy_takes_the_largest_score() -> None:
    assert Sampler(SamplingParams()).choose(SCORES, 0) == 0


def test_greedy_of_equal_scores_is_the_first() -> None:
    assert Sampler(SamplingParams()).choose(torch.zeros(5), 3) == 0


def test_samples_follow_the_probabilities() -> None:
    drawn = draw(SamplingParams(temperature=1.0), count=4000)
    expected = SCORES.softmax(dim=-1)
    for token_id, probability in enumerate(expected.tolist()):
        deviation = math.sqrt(4000 * probability * (1 - probability))
        assert abs(drawn[token_id] - 4000 * probability) < 4 * deviation


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        (SamplingParams(temperature=1.0, top_k=2), {0, 1}),
        (SamplingParams(temperature=1.0, top_k=1), {0}),
        (SamplingParams(temperature=1.0, top_p=0.6), {0}),
        (SamplingParams(temperature=1.0, top_p=0.7), {0, 1}),
        (SamplingParams(temperature=1.0, top_p=0.0), {0}),
        (SamplingParams(temperature=1.0, min_p=0.3), {0, 1}),
        (SamplingParams(temperature=1.0, min_p=1.0), {0}),
        (SamplingParams(temperature=1.0, top_k=3, top_p=0.9), {0, 1}),
        (SamplingParams(temperature=1e-9), {0}),
        (SamplingParams(temperature=1.0, logit_bias={3: 50.0}), {3}),
        (SamplingParams(logit_bias={2: 3.0}), {2}),
        (SamplingParams(logit_bias={99: 3.0}), {0}),
    ],
)
def test_filters_keep_the_likeliest(params: SamplingParams, kept: set[int]) -> None:
    assert set(draw(params)) == kept


@given(st.integers(0, 2**64 - 1), st.integers(0, 7), st.integers(0, 10_000))
def test_the_same_place_draws_the_same_whatever_was_drawn_before(
    seed: int, index: int, position: int
) -> None:
    params = SamplingParams(temperature=2.0)
    worn, fresh = Sampler(params, seed, index), Sampler(params, seed, index)
    for earlier in range(3):
        worn.choose(SCORES, earlier)
    assert worn.choose(SCORES, position) == fresh.choose(SCORES, position)


def test_seeds_and_choices_have_numbers_of_their_own() -> None:
    params = SamplingParams(temperature=1.0)

    def text(seed: int, index: int) -> tuple[int, ...]:
        sampler = Sampler(params, seed, index)
        return tuple(sampler.choose(SCORES, position) for position in range(40))

    assert len({text(1, 0), text(2, 0), text(1, 1), text(2**64 - 1, 0)}) == 4


def test_without_a_seed_two_samplers_differ() -> None:
    params = SamplingParams(temperature=5.0)
    first, second = Sampler(params), Sampler(params)
    wide = torch.zeros(1000)
    assert [first.choose(wide, i) for i in range(8)] != [second.choose(wide, i) for i in range(8)]


@given(st.integers(0, 1000))
def test_a_rounding_error_that_swaps_two_ranks_swaps_no_choice(position: int) -> None:
    params = SamplingParams(temperature=1.0, top_p=0.99)
    scores = torch.tensor([1.0, 1.0 + 1e-7, 0.5, 0.5])
    swapped = torch.tensor([1.0 + 1e-7, 1.0, 0.5, 0.5])
    first = Sampler(params, 7).choose(scores, position)
    assert first == Sampler(params, 7).choose(swapped, position)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_only_allowed_tokens_are_chosen(temperature: float) -> None:
    sampler = Sampler(SamplingParams(temperature=temperature), 3)
    chosen = {sampler.choose(SCORES, position, allowed=[2, 3]) for position in range(200)}
    assert chosen == ({2} if temperature == 0 else {2, 3})


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_banned_tokens_are_not_chosen(temperature: float) -> None:
    sampler = Sampler(SamplingParams(temperature=temperature), 3)
    chosen = {sampler.choose(SCORES, position, banned=[0]) for position in range(200)}
    assert 0 not in chosen


def test_where_everything_is_banned_something_is_chosen_all_the_same() -> None:
    sampler = Sampler(SamplingParams(temperature=1.0), 3)
    assert sampler.choose(SCORES, 0, banned=[0, 1, 2, 3]) in range(4)


def test_scores_are_left_as_they_are() -> None:
    scores = SCORES.clone()
    params = SamplingParams(temperature=1.0, top_k=2, top_p=0.5, logit_bias={1: 5.0})
    Sampler(params, 1).choose(scores, 0, banned=[2])
    assert torch.equal(scores, SCORES)
