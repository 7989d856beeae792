"""Tokens are drawn from the distribution that the settings describe."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from fimserve.engine.sampler import Sampler

SCORES = torch.tensor([0.1, 0.5, 0.3, 0.1, 0.0]).log()


def draw(sampler: Sampler, count: int = 2000) -> Counter[int]:
    return Counter(sampler.choose(SCORES) for _ in range(count))


def test_zero_temperature_takes_the_likeliest() -> None:
    assert draw(Sampler(0.0, 1.0, None), 3) == {1: 3}


def test_tokens_come_as_often_as_their_probability() -> None:
    drawn = draw(Sampler(1.0, 1.0, seed=1))
    for token_id, probability in enumerate([0.1, 0.5, 0.3, 0.1, 0.0]):
        assert drawn[token_id] / 2000 == pytest.approx(probability, abs=0.04)


def test_temperature_sharpens() -> None:
    drawn = draw(Sampler(0.5, 1.0, seed=1))
    assert drawn[1] / 2000 == pytest.approx(0.25 / 0.36, abs=0.04)


@pytest.mark.parametrize(
    ("top_p", "candidates"), [(0.0, {1}), (0.4, {1}), (0.6, {1, 2}), (0.95, {0, 1, 2, 3})]
)
def test_top_p_keeps_the_fewest_that_hold_it(top_p: float, candidates: set[int]) -> None:
    assert set(draw(Sampler(1.0, top_p, seed=1))) == candidates


def test_the_same_seed_draws_the_same() -> None:
    first, second, other = (Sampler(1.0, 0.9, seed) for seed in (7, 7, 8))
    drawn = [[sampler.choose(SCORES) for _ in range(50)] for sampler in (first, second, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_without_a_seed_two_samplers_differ() -> None:
    first, second = Sampler(1.0, 1.0, None), Sampler(1.0, 1.0, None)
    assert [first.choose(SCORES) for _ in range(100)] != [second.choose(SCORES) for _ in range(100)]


def test_a_tiny_temperature_is_greedy_rather_than_nan() -> None:
    assert draw(Sampler(1e-300, 0.5, seed=1), 20) == {1: 20}


def test_scores_are_left_alone() -> None:
    before = SCORES.clone()
    draw(Sampler(0.7, 0.5, seed=1), 5)
    assert torch.equal(before, SCORES)


def test_scores_in_bf16_are_accepted() -> None:
    assert Sampler(1.0, 0.0, seed=1).choose(SCORES.bfloat16()) == 1
