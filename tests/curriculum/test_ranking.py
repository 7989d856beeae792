"""The ranking of kinds: order, intervals over repositories, comparison at equal length."""

import random

import pytest

from fimcurriculum.hardness.ranking import KindRank, contrast_kinds, rank_kinds
from fimcurriculum.hardness.resampled import ScoredSpan


def make_spans(kind: str, failure: float, num_chars: int, rng: random.Random) -> list[ScoredSpan]:
    return [
        ScoredSpan(f"repo{i % 12}", kind, num_chars, float(rng.random() >= failure), 0.5, None)
        for i in range(240)
    ]


def by_kind(ranks: list[KindRank]) -> dict[str, KindRank]:
    return {rank.kind: rank for rank in ranks}


def test_the_kind_that_fails_most_is_first_and_intervals_hold_the_share() -> None:
    rng = random.Random(1)
    spans = [*make_spans("call", 0.7, 20, rng), *make_spans("import", 0.2, 20, rng)]
    ranks = rank_kinds(spans)
    assert [rank.kind for rank in ranks] == ["call", "import"]
    for rank, share in zip(ranks, (0.7, 0.2), strict=True):
        assert rank.failure_low < share < rank.failure_high
        assert rank.failure_low < rank.failure < rank.failure_high
        assert rank.num_repositories == 12
    assert ranks[0].failure_low > ranks[1].failure_high


def test_spans_that_are_alike_within_a_repository_make_the_interval_wide() -> None:
    alike = [
        ScoredSpan(f"repo{i % 12}", "call", 20, float(i % 12 < 6), None, None) for i in range(240)
    ]
    mixed = [
        ScoredSpan(f"repo{i % 12}", "call", 20, float(i < 120), None, None) for i in range(240)
    ]
    (wide,), (narrow,) = rank_kinds(alike), rank_kinds(mixed)
    assert wide.failure == narrow.failure == 0.5
    assert narrow.failure_high - narrow.failure_low < 0.02
    assert wide.failure_high - wide.failure_low > 0.4


def test_long_middles_are_compared_with_random_spans_of_their_length() -> None:
    rng = random.Random(2)
    spans = [
        *make_spans("random", 0.2, 10, rng),
        *make_spans("random", 0.9, 200, rng),
        *make_spans("block", 0.9, 200, rng),
        *make_spans("call", 0.5, 10, rng),
    ]
    ranks = by_kind(rank_kinds(spans))
    assert ranks["block"].failure > ranks["call"].failure
    block, call = ranks["block"], ranks["call"]
    assert block.excess == pytest.approx(0.0, abs=0.08)
    assert block.excess_low is not None
    assert block.excess_high is not None
    assert block.excess_low < 0 < block.excess_high
    assert call.excess == pytest.approx(0.3, abs=0.08)
    assert call.excess_low is not None
    assert call.excess_low > 0.1
    assert ranks["random"].excess is None


def test_what_was_not_measured_stays_absent() -> None:
    (rank,) = rank_kinds([ScoredSpan("a", "call", 5, 1.0, None, None)])
    assert rank.mean_nll is None
    assert rank.edit_similarity is None
    assert rank.failure == 0.0


def test_no_success_at_all_is_no_certainty() -> None:
    spans = [ScoredSpan(f"repo{i % 10}", "class", 90, 0.0, None, 1.0 + i % 2) for i in range(40)]
    (rank,) = rank_kinds(spans)
    assert rank.failure == 1.0
    assert rank.failure_low == pytest.approx(0.025 ** (1 / 10))
    assert rank.failure_high == 1.0
    assert rank.nll_low is not None
    assert rank.mean_nll == 1.5


def test_named_kinds_are_held_against_the_mean_of_the_others() -> None:
    rng = random.Random(3)
    spans = [
        *make_spans("call", 0.9, 20, rng),
        *make_spans("function", 0.1, 20, rng),
        *make_spans("class", 0.5, 20, rng),
        *make_spans("import", 0.3, 20, rng),
        *make_spans("loop", 0.7, 20, rng),
        *make_spans("random", 0.0, 20, rng),
    ]
    contrasts = {
        (c.kind, c.measure): c for c in contrast_kinds(spans, {"call", "function", "class"})
    }
    assert set(contrasts) == {
        (kind, measure)
        for kind in ("call", "function", "class")
        for measure in ("failure", "excess")  # no likelihood is known
    }
    verdicts = {kind: c.verdict for (kind, measure), c in contrasts.items() if measure == "failure"}
    assert verdicts == {"call": "yes", "function": "no", "class": "undecided"}
    call = contrasts["call", "failure"]
    assert call.low < call.difference < call.high
    assert call.difference == pytest.approx(0.4, abs=0.08)
    # Random spans never fail here, so failure above theirs is failure.
    assert contrasts["call", "excess"].difference == pytest.approx(call.difference)


def test_of_kinds_that_fail_alike_the_less_likely_is_first() -> None:
    spans = [
        ScoredSpan(f"repo{i % 4}", kind, 50, 0.0, None, nll)
        for kind, nll in (("block", 0.5), ("class", 2.0), ("loop", 1.0))
        for i in range(8)
    ]
    assert [rank.kind for rank in rank_kinds(spans)] == ["class", "loop", "block"]
