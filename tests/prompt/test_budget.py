"""Limits are kept, nothing allowed is wasted, and cuts hold still while text is typed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.prompt.budget import (
    Side,
    encode_end,
    encode_start,
    fit_sides,
    keep_end,
    keep_start,
    plan_snippets,
    round_up,
    split_budget,
)

LENGTHS = st.integers(0, 3000)
LIMITS = st.integers(2, 2000)
TEXTS = st.text(alphabet="ab \n", max_size=400)


def encode(text: str) -> list[int]:
    return list(map(ord, text))


def decode(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


def side(text: str) -> Side:
    return Side(text, encode)


def lines(count: int) -> str:
    return "".join(f"line {i}\n" for i in range(count))


@given(limit=LIMITS, prefix=LENGTHS, suffix=LENGTHS)
def test_both_sides_stay_within_the_limit_and_get_something(
    limit: int, prefix: int, suffix: int
) -> None:
    granted = split_budget(limit, prefix, suffix)
    assert granted.prefix + granted.suffix <= limit
    assert granted.prefix >= min(prefix, 1)
    assert granted.suffix >= min(suffix, 1)


@given(limit=LIMITS, prefix=LENGTHS, suffix=LENGTHS)
def test_nothing_is_cut_that_fits(limit: int, prefix: int, suffix: int) -> None:
    granted = split_budget(limit, prefix, suffix)
    if prefix + suffix <= limit:
        assert granted == (prefix, suffix)
    else:
        assert granted.prefix + granted.suffix == limit


@pytest.mark.parametrize(
    ("prefix", "suffix", "granted"),
    [
        (5000, 5000, (750, 250)),
        (5000, 100, (900, 100)),
        (100, 5000, (125, 875)),
        (600, 5000, (625, 375)),
        (740, 5000, (750, 250)),
        (0, 5000, (0, 1000)),
    ],
)
def test_three_to_one_and_flow(prefix: int, suffix: int, granted: tuple[int, int]) -> None:
    assert split_budget(1000, prefix, suffix) == granted


def test_typing_in_the_prefix_moves_the_suffix_cut_in_steps() -> None:
    suffixes = [split_budget(1000, length, 5000).suffix for length in range(100, 740)]
    assert len(set(suffixes)) <= 8


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([40, 40, 40], [0, 1]),
        ([40, 40, 20], [0, 1, 2]),
        ([200, 40], [1]),
        ([60, 60, 10], [0]),
        ([], []),
    ],
)
def test_snippets_go_from_the_least_relevant_end(sizes: list[int], kept: list[int]) -> None:
    assert plan_snippets(sizes, 100) == kept


@given(text=TEXTS, limit=st.integers(0, 120))
def test_the_kept_end_is_an_end_within_the_limit(text: str, limit: int) -> None:
    kept = decode(keep_end(side(text), encode_end(side(text), limit), limit, decode))
    assert text.endswith(kept)
    assert len(kept) <= limit
    assert 2 * len(kept) >= min(limit, len(text))


@given(text=TEXTS, limit=st.integers(0, 120))
def test_the_kept_start_is_a_start_within_the_limit(text: str, limit: int) -> None:
    kept = decode(keep_start(side(text), encode_start(side(text), limit), limit, decode))
    assert text.startswith(kept)
    assert len(kept) <= limit
    assert 2 * len(kept) >= min(limit, len(text))


def test_cuts_lie_at_line_borders_where_lines_are_short() -> None:
    text = lines(100)
    end = decode(keep_end(side(text), encode_end(side(text), 200), 200, decode))
    start = decode(keep_start(side(text), encode_start(side(text), 200), 200, decode))
    assert end.startswith("line ")
    assert start.endswith("\n")


def test_a_line_longer_than_the_limit_is_cut_within() -> None:
    text = "x" * 1000
    assert keep_end(side(text), encode_end(side(text), 100), 100, decode) == [ord("x")] * 100
    assert keep_start(side(text), encode_start(side(text), 100), 100, decode) == [ord("x")] * 100


def test_a_short_last_line_after_a_long_one_is_not_all_that_stays() -> None:
    text = "x" * 1000 + "\n" + "y" * 10
    kept = decode(keep_end(side(text), encode_end(side(text), 100), 100, decode))
    assert kept == "x" * 89 + "\n" + "y" * 10


def test_the_cut_of_the_prefix_holds_still_while_typing() -> None:
    text = lines(300)
    starts = set()
    for typed in range(200):
        current = text + "y" * typed
        kept = decode(keep_end(side(current), encode_end(side(current), 400), 400, decode))
        starts.add(len(current) - len(kept))
    assert len(starts) <= 3


def test_megabytes_are_not_encoded() -> None:
    seen: list[int] = []

    def watched(text: str) -> list[int]:
        seen.append(len(text))
        return encode(text)

    text = lines(200_000)
    fitted = fit_sides(Side(text, watched), Side(text, watched), 1000, decode)
    assert len(text) > 1_000_000
    assert sum(seen) < 20_000
    assert len(fitted.prefix) + len(fitted.suffix) <= 1000


def test_text_of_few_tokens_widens_the_window() -> None:
    def by_line(text: str) -> list[int]:
        return [ord("\n")] * text.count("\n")

    sparse = Side("x" * 99 + "\n", by_line)
    many = Side(sparse.text * 50, by_line)
    assert len(encode_end(many, 20)) > 20
    assert len(encode_start(many, 20)) > 20
    assert len(encode_end(sparse, 20)) == 1


@given(prefix=TEXTS, suffix=TEXTS, limit=st.integers(2, 300))
def test_fitted_sides_touch_the_cursor(prefix: str, suffix: str, limit: int) -> None:
    fitted = fit_sides(side(prefix), side(suffix), limit, decode)
    kept_prefix, kept_suffix = decode(fitted.prefix), decode(fitted.suffix)
    assert prefix.endswith(kept_prefix)
    assert suffix.startswith(kept_suffix)
    assert len(kept_prefix) + len(kept_suffix) <= limit
    assert bool(kept_prefix) == bool(prefix)
    assert bool(kept_suffix) == bool(suffix)


def test_without_a_limit_nothing_is_cut() -> None:
    fitted = fit_sides(side(lines(50)), None, None, decode)
    assert decode(fitted.prefix) == lines(50)
    assert fitted.suffix == []


@given(number=st.integers(0, 10_000), step=st.integers(1, 100))
def test_rounding_up(number: int, step: int) -> None:
    rounded = round_up(number, step)
    assert rounded % step == 0
    assert 0 <= rounded - number < step
