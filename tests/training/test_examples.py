"""A file becomes one example: nothing lost, end token last, the shares that the mix asks for."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.prompt import Order, PromptParts, Renderer, TextEncoder
from fimtraining.examples import Example, ExampleMix, SourceFile, make_example, strip_licence
from fimtraining.tokenizer import MARKERS
from support.own_family import own_renderer
from support.source_texts import make_python

END, PREFIX, MIDDLE, SUFFIX, _, REPOSITORY, FILE = range(len(MARKERS))
LICENCE = "# Copyright 2024 Somebody\n# Licensed under the MIT licence\n\n"
BODY = make_python(1)


def make_file(text: str = BODY, path: str = "src/app.py") -> SourceFile:
    return SourceFile("acme/tool", path, "python", text)


NEIGHBOURS = [make_file(LICENCE + make_python(n), f"src/other{n}.py") for n in range(2, 7)]


def make_mix(**settings: Any) -> ExampleMix:
    """Return a mix that takes the text as it is: no path, no other files, licences kept."""
    plain: dict[str, Any] = {"path_rate": 0.0, "repository_rate": 0.0, "licence_header_rate": 1.0}
    return ExampleMix(**(plain | settings))


def make_whole(seed: int, mix: ExampleMix, text: str = BODY) -> Example:
    return make_example(make_file(text), NEIGHBOURS, mix, own_renderer(), random.Random(seed))


def make_ids(seed: int, mix: ExampleMix, text: str = BODY) -> list[int]:
    return make_whole(seed, mix, text).token_ids


class Hole(NamedTuple):
    """An example with a hole, taken apart at its markers."""

    before: str
    suffix: str
    after: str
    """What stands behind the middle marker; the prefix first in SPM order."""

    @property
    def text(self) -> str:
        return self.before + self.after + self.suffix


def read_hole(ids: list[int]) -> Hole:
    decode = own_renderer().encoder.decode
    prefix, suffix, middle = (ids.index(marker) for marker in (PREFIX, SUFFIX, MIDDLE))
    assert ids[-1] == END
    return Hole(
        decode(ids[prefix + 1 : suffix]),
        decode(ids[suffix + 1 : middle]),
        decode(ids[middle + 1 : -1]),
    )


# ------------------------------------------------------------------------------- the whole text


@pytest.mark.parametrize("order", Order)
@settings(deadline=None)
@given(seed=st.integers(0, 10_000), text=st.text(max_size=200).map(lambda t: t.replace("\r", "")))
def test_parts_of_a_hole_add_up_to_the_text(order: Order, seed: int, text: str) -> None:
    mix = make_mix(fim_rate=1.0, orders={order.value: 1.0})
    ids = make_ids(seed, mix, text)
    assert Counter(i for i in ids if i < len(MARKERS)) == Counter((PREFIX, SUFFIX, MIDDLE, END))
    assert read_hole(ids).text == text


@pytest.mark.parametrize("seed", range(5))
def test_psm_example_holds_prefix_then_suffix_then_middle(seed: int) -> None:
    ids = make_ids(seed, make_mix(fim_rate=1.0, orders={"psm": 1.0}))
    hole = read_hole(ids)
    encode = own_renderer().encoder.encode
    assert ids == [
        PREFIX, *encode(hole.before), SUFFIX, *encode(hole.suffix), MIDDLE, *encode(hole.after), END
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_spm_example_opens_with_both_markers(seed: int) -> None:
    ids = make_ids(seed, make_mix(fim_rate=1.0, orders={"spm": 1.0}))
    assert ids[:2] == [PREFIX, SUFFIX]
    hole = read_hole(ids)
    assert hole.after + hole.suffix == BODY


def test_example_without_a_hole_is_the_plain_text() -> None:
    ids = make_ids(1, make_mix(fim_rate=0.0))
    assert own_renderer().encoder.decode(ids[:-1]) == BODY
    assert [i for i in ids if i < len(MARKERS)] == [END]


@pytest.mark.parametrize("seed", range(20))
def test_end_token_is_last_and_nowhere_else(seed: int) -> None:
    ids = make_ids(seed, ExampleMix())
    assert ids[-1] == END
    assert END not in ids[:-1]


def test_marker_in_a_file_is_ordinary_text() -> None:
    text = f"STOP = {list(MARKERS)}\n" * 3
    ids = make_ids(3, make_mix(fim_rate=1.0), text)
    assert Counter(i for i in ids if i < len(MARKERS)) == Counter((PREFIX, SUFFIX, MIDDLE, END))
    assert read_hole(ids).text == text


# ------------------------------------------------------------------------------------ the answer


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("seed", range(20))
def test_answer_is_the_middle_and_the_end_token(order: Order, seed: int) -> None:
    mix = make_mix(fim_rate=1.0, orders={order.value: 1.0})
    example = make_whole(seed, mix)
    recorder = RecordingRenderer()
    make_example(make_file(), NEIGHBOURS, mix, cast(Renderer, recorder), random.Random(seed))
    middle = recorder.calls[0][1]
    answer = example.token_ids[-example.num_answer_tokens :]
    assert answer == [*own_renderer().encoder.encode(middle), END]


def test_plain_text_has_no_answer() -> None:
    assert make_whole(1, make_mix(fim_rate=0.0)).num_answer_tokens == 0


# ----------------------------------------------------------------------------------- determinism


def test_example_is_a_function_of_its_seed() -> None:
    drawn = [[make_ids(seed, ExampleMix()) for seed in range(20)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len({tuple(ids) for ids in drawn[0]}) > 10  # plain texts are the same


# ------------------------------------------------------------------------------------ the shares


@dataclass
class RecordingRenderer:
    """Keeps what it is asked to render."""

    calls: list[tuple[PromptParts, str, Order]] = field(default_factory=list)
    encoder: TextEncoder = field(default_factory=lambda: own_renderer().encoder)

    def render_training(self, parts: PromptParts, middle: str, order: Order) -> list[int]:
        self.calls.append((parts, middle, order))
        return [END]


def record(mix: ExampleMix, count: int, text: str = BODY) -> list[tuple[PromptParts, str, Order]]:
    recorder = RecordingRenderer()
    rng = random.Random(5)
    for _ in range(count):
        make_example(make_file(text), NEIGHBOURS, mix, cast(Renderer, recorder), rng)
    return recorder.calls


def share(hits: int, of: int) -> Any:
    """Return what compares equal to a share within three standard deviations of 2,000 draws."""
    return pytest.approx(hits / of, abs=0.035)


def test_holes_and_orders_come_in_their_shares() -> None:
    calls = record(ExampleMix(), 2000)
    holes = [order for parts, _, order in calls if parts.suffix is not None]
    assert share(len(holes), len(calls)) == 0.7
    orders = Counter(holes)
    expected = {Order.PSM: 0.45, Order.SPM: 0.45, Order.MIDDLE_INCREMENT: 0.1}
    assert {order: share(count, len(holes)) for order, count in orders.items()} == expected


def test_paths_repositories_and_snippets_come_in_their_shares() -> None:
    calls = [parts for parts, _, _ in record(ExampleMix(), 2000)]
    assert share(sum(bool(p.snippets) for p in calls), 2000) == 0.15
    # Beside snippets there is always a path; half of the paths have the repository's name.
    assert share(sum(p.path is not None for p in calls), 2000) == 0.15 + 0.85 * 0.5
    assert share(sum(p.repo is not None for p in calls), 2000) == (0.15 + 0.85 * 0.5) / 2
    assert {p.path for p in calls} == {None, "src/app.py"}
    assert {p.repo for p in calls} == {None, "tool"}
    assert {p.language for p in calls} == {"python"}


def test_snippets_are_other_files_without_their_licence() -> None:
    calls = [parts for parts, _, _ in record(make_mix(repository_rate=1.0), 200)]
    counts = Counter(len(parts.snippets) for parts in calls)
    assert sorted(counts) == [1, 2, 3]
    texts = {n.path: n.text.removeprefix(LICENCE) for n in NEIGHBOURS}
    for parts in calls:
        assert len({snippet.path for snippet in parts.snippets}) == len(parts.snippets)
        assert all(texts[snippet.path] == snippet.text for snippet in parts.snippets)


def test_long_snippet_is_cut_at_a_line() -> None:
    mix = make_mix(repository_rate=1.0, max_snippet_chars=200)
    for parts, _, _ in record(mix, 50):
        for snippet in parts.snippets:
            assert 100 < len(snippet.text) <= 200
            assert snippet.text.endswith("\n")


def test_no_neighbours_no_snippets() -> None:
    recorder = RecordingRenderer()
    mix = make_mix(repository_rate=1.0)
    make_example(make_file(), [], mix, cast(Renderer, recorder), random.Random(1))
    assert recorder.calls[0][0].snippets == ()


def test_increment_is_the_start_of_the_hole() -> None:
    mix = make_mix(fim_rate=1.0, orders={"middle-increment": 1.0})
    calls = record(mix, 200)
    assert all(
        parts.prefix + parts.increment + middle + (parts.suffix or "") == BODY
        for parts, middle, _ in calls
    )
    assert sum(bool(parts.increment) for parts, _, _ in calls) > 100
    assert max(len(parts.increment) for parts, _, _ in calls) <= 200


def test_licence_header_is_kept_in_its_share() -> None:
    calls = record(make_mix(fim_rate=0.0, licence_header_rate=0.2), 2000, LICENCE + BODY)
    texts = Counter(middle for _, middle, _ in calls)
    assert set(texts) == {BODY, LICENCE + BODY}
    assert share(texts[LICENCE + BODY], 2000) == 0.2


def test_long_file_gives_a_window_of_whole_lines() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    mix = make_mix(fim_rate=0.0, max_document_chars=500)
    windows = [middle for _, middle, _ in record(mix, 300, text)]
    assert all(len(window) <= 500 for window in windows)
    assert all(f"\n{window}" in f"\n{text}" and window.endswith("\n") for window in windows)
    assert len(set(windows)) > 200


def test_windows_come_in_the_sizes_that_the_mix_names() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    mix = make_mix(fim_rate=0.0, windows={"400": 0.5, "4000": 0.5})
    sizes = [len(middle) for _, middle, _ in record(mix, 400, text)]
    assert all(180 < size <= 400 or 1900 < size <= 4000 for size in sizes)
    assert share(sum(size <= 400 for size in sizes), 400) == pytest.approx(0.5, abs=0.08)


def test_windows_of_statements_hold_whole_functions() -> None:
    text = make_python(3, num_functions=60)
    mix = make_mix(fim_rate=0.0, windows={"2000": 1.0}, statement_rate=1.0)
    windows = [middle for _, middle, _ in record(mix, 100, text)]
    assert all(window in text for window in windows)
    whole = [w for w in windows if not w[0].isspace() and f"{w}{text.partition(w)[2][:1]}" != w]
    assert len(whole) > 60


@pytest.mark.parametrize(
    "wrong", [{"spans": {"words": 1.0}}, {"windows": {"long": 1.0}}], ids=["span", "window"]
)
def test_mix_names_what_it_does_not_know(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"words|long"):
        ExampleMix(**wrong)


# ---------------------------------------------------------------------------------- licence text


@pytest.mark.parametrize(
    "header",
    [
        LICENCE,
        "#!/usr/bin/env python\n# Copyright 2024\n\n",
        "// Copyright 2024 Somebody\n// All rights reserved.\n\n",
        "/*\n * Licensed under the Apache License\n */\n",
        "\n\n/* license: MIT */\n\n\n",
    ],
)
def test_licence_comment_is_stripped(header: str) -> None:
    assert strip_licence(header + BODY) == BODY


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        "# A module about nothing\n" + BODY,
        BODY + LICENCE,
        LICENCE,
        '"""Copyright 2024."""\n' + BODY,
        "",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert strip_licence(text) == text


def test_only_the_first_comment_goes() -> None:
    text = "// Copyright 2024\n\n//go:build linux\n\npackage main\n"
    assert strip_licence(text) == "//go:build linux\n\npackage main\n"


# ------------------------------------------------------------------------------ single functions

FUNCTION = '''\
def total(values):
    """Return the sum of all values, each of them counted once."""
    result = 0
    for value in values:
        result += value
    return result
'''


def test_document_becomes_one_of_its_functions() -> None:
    text = f"LIMIT = 3\n\n\n{FUNCTION}\n\nprint(total([LIMIT]))\n"
    mix = make_mix(fim_rate=1.0, function_rate=1.0)
    for seed in range(20):
        assert read_hole(make_ids(seed, mix, text)).text == FUNCTION


def test_holes_of_a_function_lie_in_its_body() -> None:
    mix = make_mix(
        fim_rate=1.0, function_rate=1.0, function_body_rate=1.0, spans={"line": 1.0},
        orders={"psm": 1.0},
    )  # fmt: skip
    starts = [len(read_hole(make_ids(seed, mix, FUNCTION)).before) for seed in range(100)]
    behind = sum(start >= FUNCTION.index("\n    result") for start in starts)
    assert behind >= 97  # six tries find one nearly always


def test_file_without_functions_stays_a_window() -> None:
    text = "A = 1\nB = 2\n"
    mix = make_mix(fim_rate=1.0, function_rate=1.0)
    assert read_hole(make_ids(1, mix, text)).text == text


# ------------------------------------------------------------------- pieces of syntax, and imports


def test_tree_rate_cuts_along_the_syntax() -> None:
    plain = make_mix(fim_rate=1.0, orders={"psm": 1.0}, spans={"uniform": 1.0})
    whole = make_mix(fim_rate=1.0, orders={"psm": 1.0}, spans={"uniform": 1.0}, tree_rate=1.0)

    def num_parsed(mix: ExampleMix) -> int:
        # A hole that leaves brackets closed on both sides is rare where cuts are blind.
        middles = [read_hole(make_ids(seed, mix)).after for seed in range(60)]
        return sum(m.count("(") == m.count(")") and m == m.strip() for m in middles)

    assert num_parsed(whole) == 60
    assert num_parsed(plain) < 40


def test_imported_files_stand_in_the_order_given() -> None:
    imported = [make_file("x = 1\n", "one.py"), make_file("y = 2\n", "two.py")]
    mix = make_mix(repository_rate=1.0, import_rate=1.0, max_snippets=2, fim_rate=0.0)
    texts = []
    for seed in range(20):
        example = make_example(
            make_file(), NEIGHBOURS, mix, own_renderer(), random.Random(seed), imported
        )
        texts.append(own_renderer().encoder.decode(example.token_ids))
    assert all("two.py" in text and "src/other" not in text for text in texts)
    both = [text for text in texts if "one.py" in text]
    assert 3 < len(both) < 17
    assert all(text.index("one.py") < text.index("two.py") for text in both)


def test_without_imports_near_files_are_the_context() -> None:
    mix = make_mix(repository_rate=1.0, import_rate=1.0, fim_rate=0.0)
    text = own_renderer().encoder.decode(make_ids(3, mix))
    assert "src/other" in text
