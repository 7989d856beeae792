"""The plan of a run: shares, no repetition before all have come, pacing, and the same each time."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from fimtraining.finetune.recipe import Mixture
from fimtraining.finetune.sampler import Plan, find_pace, find_shares, weigh_by_refusal

KINDS = np.array(["call"] * 100 + ["loop"] * 100 + ["random"] * 100)
HARDNESS = np.tile(np.arange(100) / 100, 3)


def draw(mixture: Mixture, count: int, seed: int = 0, length: int = 100_000) -> list[int]:
    return list(islice(Plan(KINDS, HARDNESS, mixture, seed, length), count))


def test_kinds_come_by_their_weights_and_absent_ones_give_theirs_away() -> None:
    mixture = Mixture(kinds={"call": 3, "random": 1, "class": 4})
    assert find_shares(mixture.kinds, frozenset(KINDS)) == {"call": 0.75, "random": 0.25}
    counts = Counter(KINDS[draw(mixture, 8000)])
    assert set(counts) == {"call", "random"}
    assert 0.73 < counts["call"] / 8000 < 0.77


def test_a_mixture_of_absent_kinds_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the mixture's kinds"):
        find_shares({"class": 1.0}, frozenset({"call"}))


def test_no_span_comes_twice_before_all_have_come() -> None:
    drawn = draw(Mixture(kinds={"call": 1}), 250)
    assert sorted(drawn[:100]) == list(range(100))
    assert sorted(drawn[100:200]) == list(range(100))
    assert drawn[:100] != drawn[100:200]


def test_the_plan_is_a_function_of_the_seed() -> None:
    mixture = Mixture(kinds={"call": 1, "loop": 1}, pacing="root")
    assert draw(mixture, 9000) == draw(mixture, 9000)
    assert draw(mixture, 9000) != draw(mixture, 9000, seed=1)


def test_hard_spans_come_more_often_by_hardness() -> None:
    plain = np.mean(HARDNESS[draw(Mixture(kinds={"call": 1}), 4000)])
    weighted = np.mean(HARDNESS[draw(Mixture(kinds={"call": 1}, by_hardness=1.0), 4000)])
    assert plain == pytest.approx(0.495)
    assert weighted > 0.62  # 2/3 in the limit


@pytest.mark.parametrize("pacing", ["linear", "root", "log", "step"])
def test_pacing_begins_at_its_start_and_ends_whole(pacing: str) -> None:
    mixture = Mixture.model_validate({"pacing": pacing, "pacing_start": 0.2, "pacing_end": 0.5})
    paces = [find_pace(mixture, progress) for progress in np.linspace(0, 1, 21)]
    assert paces[0] == pytest.approx(0.2)
    assert paces[10] == pytest.approx(1.0)
    assert paces == sorted(paces)


@pytest.mark.parametrize("hard_first", [False, True])
def test_pacing_draws_one_end_first(hard_first: bool) -> None:
    mixture = Mixture(kinds={"call": 1}, pacing="linear", hard_first=hard_first)
    drawn = draw(mixture, 40_000, length=40_000)
    first, last = HARDNESS[drawn[:2000]].mean(), HARDNESS[drawn[-2000:]].mean()
    assert last == pytest.approx(0.495, abs=0.01)
    assert first > 0.8 if hard_first else first < 0.2


def test_refused_kinds_come_more_often_and_random_ones_as_often() -> None:
    kinds = {"call": 1.0, "loop": 1.0, "random": 2.0}
    assert weigh_by_refusal(kinds, {}, 0.0) == kinds
    whole = weigh_by_refusal(kinds, {"call": 0.9, "loop": 0.3}, 1.0)
    assert whole == pytest.approx({"call": 1.5, "loop": 0.5, "random": 2.0})
    half = weigh_by_refusal(kinds, {"call": 0.9, "loop": 0.3}, 0.5)
    assert half == pytest.approx({"call": 1.25, "loop": 0.75, "random": 2.0})
    unknown = weigh_by_refusal(kinds, {"call": 0.9}, 1.0)  # the other counts as the mean
    assert unknown == pytest.approx(kinds)
    with pytest.raises(ValueError, match="--from-telemetry"):
        weigh_by_refusal(kinds, {}, 0.5)


def test_a_plan_leans_towards_what_users_refuse() -> None:
    mixture = Mixture(kinds={"call": 1, "loop": 1, "random": 2}, by_refusal=1.0)
    plan = Plan(KINDS, HARDNESS, mixture, 0, 1000, {"call": 0.9, "loop": 0.3})
    assert plan.shares == pytest.approx({"call": 0.375, "loop": 0.125, "random": 0.5})
