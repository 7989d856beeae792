"""Every hole lies in its text, and each kind has the shape that its name promises."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimtraining.spans import (
    SAMPLERS,
    sample_block,
    sample_line,
    sample_rest_of_line,
    sample_short,
    sample_tail,
    sample_uniform,
    sample_whole_lines,
)
from support.source_texts import make_python

CODE = make_python(1, num_functions=20)
# Blank lines, indentation and the empty text are the corners; plain text() rarely has them.
TEXTS = st.text(max_size=200) | st.lists(
    st.sampled_from(["", " ", "\n", "\n\n", "    x = 1\n", "\tif y:\n", "é", "end"]), max_size=30
).map("".join)
SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("kind", SAMPLERS)
@settings(deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_hole_lies_inside_the_text(kind: str, text: str, seed: int) -> None:
    start, end = SAMPLERS[kind](text, random.Random(seed))
    assert 0 <= start <= end <= len(text)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_same_generator_gives_the_same_hole(kind: str) -> None:
    spans = [[SAMPLERS[kind](CODE, random.Random(seed)) for seed in range(50)] for _ in range(2)]
    assert spans[0] == spans[1]
    assert len(set(spans[0])) > 25


@settings(deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_rest_of_line_ends_where_its_line_ends(text: str, seed: int) -> None:
    start, end = sample_rest_of_line(text, random.Random(seed))
    assert "\n" not in text[start:end]
    assert text[end : end + 1] in ("", "\n")


@settings(deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_whole_lines_are_lines(text: str, seed: int) -> None:
    start, end = sample_whole_lines(text, random.Random(seed))
    indent = text[text.rfind("\n", 0, start) + 1 : start]
    assert not indent.strip(" \t") or text[start : start + 1] == "\n"
    assert text[end : end + 1] in ("", "\n") or text[end - 1] == "\n"
    lines = {line.strip(" \t") for line in text.split("\n")}
    assert {line.strip(" \t") for line in text[start:end].split("\n")} <= lines | {""}


def test_whole_lines_come_with_each_kind_of_border() -> None:
    borders: Counter[str] = Counter()
    for seed in range(400):
        start, end = sample_whole_lines(CODE, random.Random(seed))
        borders["break before"] += CODE[start] == "\n"
        borders["indentation outside"] += start > 0 and CODE[start - 1] in " \t"
        borders["indentation inside"] += CODE[start] in " \t"
        borders["break behind"] += CODE[end - 1] == "\n"
        borders["several lines"] += CODE[start:end].strip("\n").count("\n") > 0
        borders["one line"] += "\n" not in CODE[start:end].strip("\n")
    assert min(borders.values()) > 20


def test_whole_lines_are_mostly_one_line() -> None:
    spans = [sample_whole_lines(CODE, random.Random(seed)) for seed in range(1000)]
    one = sum("\n" not in CODE[start:end].strip("\n") for start, end in spans)
    assert 500 < one < 750  # 0.6 and some whose next line is blank


@settings(deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_short_hole_has_at_most_256_characters(text: str, seed: int) -> None:
    start, end = sample_short(text, random.Random(seed))
    assert end - start <= 256
    assert end > start or start == len(text)


def test_short_holes_are_spread_over_orders_of_magnitude() -> None:
    rng = random.Random(1)
    text = "a" * 100_000
    sizes = [end - start for start, end in (sample_short(text, rng) for _ in range(4000))]
    octaves = Counter(int(math.log2(size)) for size in sizes if size)
    assert sorted(octaves) == list(range(8))
    assert all(400 < count < 600 for count in octaves.values())


def test_uniform_cuts_reach_everywhere() -> None:
    rng = random.Random(2)
    spans = [sample_uniform("abcd", rng) for _ in range(2000)]
    assert {(start, end) for start, end in spans} == {
        (start, end) for start in range(5) for end in range(start, 5)
    }
    cuts = Counter(cut for span in spans for cut in span)
    assert all(700 < cuts[place] < 900 for place in range(5))


@settings(deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_line_is_one_line(text: str, seed: int) -> None:
    start, end = sample_line(text, random.Random(seed))
    assert "\n" not in text[start:end].removeprefix("\n").removesuffix("\n")
    indent = text[text.rfind("\n", 0, start) + 1 : start]
    assert not indent.strip(" \t") or text[start : start + 1] == "\n"
    assert text[end : end + 1] in ("", "\n") or text[end - 1] == "\n"


def test_line_comes_with_each_combination_of_borders() -> None:
    seen: Counter[tuple[str, bool]] = Counter()
    for seed in range(1000):
        start, end = sample_line(CODE, random.Random(seed))
        opening = "break" if CODE[start] == "\n" else "code"
        opening = "indentation" if CODE[start] in " \t" else opening
        seen[opening, CODE[end - 1] == "\n"] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 30


def test_block_holds_what_is_indented_below_a_line() -> None:
    text = "def f(x):\n    y = x\n\n    return y\n\n\nprint(f(1))\n"
    found = {text[slice(*sample_block(text, random.Random(seed)))].strip() for seed in range(200)}
    assert "y = x\n\n    return y" in found
    assert "def f(x):\n    y = x\n\n    return y" in found
    assert not any("return y" in block and "print" in block for block in found)


@settings(deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_tail_stays_in_its_line(text: str, seed: int) -> None:
    start, end = sample_tail(text, random.Random(seed))
    assert "\n" not in text[start:end]


def test_tail_leaves_closing_brackets_to_the_suffix_at_times() -> None:
    text = "print(area(2.0))"
    ends = Counter(sample_tail(text, random.Random(seed)).end for seed in range(600))
    assert ends[len(text)] > 300
    assert ends[len(text) - 2] > 100
