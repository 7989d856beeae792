"""Ids of whole prompts: markers once, text whole, budgets kept, in every family and order."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.prompt import (
    BudgetTooSmall,
    MissingMarker,
    Order,
    PromptParts,
    Renderer,
    Snippet,
    TextEncoder,
    UnsupportedOrder,
    format_names,
    load_format,
)
from support.byte_level import byte_level_renderer, byte_level_spec
from support.golden_example import MIDDLE, PREFIX, SINGLE_FILE, SNIPPETS, SUFFIX, WITH_CONTEXT
from support.markers import ALL_MARKERS
from support.notation import fim
from support.own_family import own_renderer

CASES = [(name, order) for name in format_names() for order in load_format(name).orders]
ENDING_IN_MIDDLE = [
    (family, order)
    for family, order in CASES
    if order is Order.PSM or family in ("mellum", "refact", "seed-coder")
]
CODE = st.lists(st.one_of(st.text(max_size=6), st.just("\n"), st.sampled_from(ALL_MARKERS))).map(
    "".join
)
LINES = st.text(alphabet="ab \n", max_size=300)


@cache
def renderer_of(family: str) -> Renderer:
    return byte_level_renderer(load_format(family))


def contains(ids: Sequence[int], part: Sequence[int]) -> int:
    """Return how often a sequence of ids stands in another."""
    width = len(part)
    starts = range(len(ids) - width + 1)
    return sum(tuple(ids[i : i + width]) == tuple(part) for i in starts)


def marker_ids(renderer: Renderer, ids: Sequence[int]) -> list[int]:
    return [i for i in ids if i in renderer.encoder.special_ids]


@settings(max_examples=300)
@given(case=st.sampled_from(CASES), prefix=CODE, suffix=CODE)
def test_markers_are_those_of_the_layout_and_the_rest_is_the_text(
    case: tuple[str, Order], prefix: str, suffix: str
) -> None:
    family, order = case
    renderer = renderer_of(family)
    parts = PromptParts(prefix, suffix).with_lf()
    rendered = renderer.render(parts, order)
    empty = renderer.render(PromptParts("", ""), order)
    assert marker_ids(renderer, rendered.token_ids) == list(empty.token_ids)
    sides = [parts.prefix, parts.suffix or ""]
    if order is Order.SPM:
        sides.reverse()
    assert renderer.encoder.decode(rendered.token_ids) == "".join(sides)


@pytest.mark.parametrize(("family", "order"), CASES)
def test_both_sides_stand_in_the_prompt_once(family: str, order: Order) -> None:
    renderer = renderer_of(family)
    for parts in (SINGLE_FILE, WITH_CONTEXT):
        rendered = renderer.render(parts, order)
        assert contains(rendered.token_ids, renderer.encoder.encode(PREFIX)) == 1
        assert contains(rendered.token_ids, renderer.encoder.encode(SUFFIX)) == 1


@pytest.mark.parametrize(("family", "order"), ENDING_IN_MIDDLE)
def test_the_last_token_is_the_middle_marker(family: str, order: Order) -> None:
    renderer = renderer_of(family)
    middle = renderer.encoder.token_id(renderer.format.markers["middle"])
    for parts in (SINGLE_FILE, WITH_CONTEXT, PromptParts("", "")):
        assert renderer.render(parts, order).token_ids[-1] == middle


@pytest.mark.parametrize(("family", "order"), CASES)
def test_an_empty_side_keeps_its_marker(family: str, order: Order) -> None:
    renderer = renderer_of(family)
    for parts in (PromptParts("", SUFFIX), PromptParts(PREFIX, "")):
        rendered = renderer.render(parts, order)
        for role in ("prefix", "suffix"):
            token_id = renderer.encoder.token_id(renderer.format.markers[role])
            assert rendered.token_ids.count(token_id or 0) == 1


@pytest.mark.parametrize("family", format_names())
def test_bos_stands_first_and_once_where_the_family_has_one(family: str) -> None:
    renderer = renderer_of(family)
    bos = renderer.format.bos
    for suffix in (SUFFIX, None):
        ids = renderer.render(replace(WITH_CONTEXT, suffix=suffix)).token_ids
        if bos is None:
            assert ids[0] != renderer.end_token_id
        else:
            assert [i for i, t in enumerate(ids) if t == renderer.encoder.token_id(bos)] == [0]


@given(
    family=st.sampled_from(["fimserve", "deepseek-coder", "starcoder2", "codegemma"]),
    prefix=CODE,
    suffix=CODE,
    increment=CODE,
)
def test_middle_increment_is_psm_and_the_increment(
    family: str, prefix: str, suffix: str, increment: str
) -> None:
    renderer = renderer_of(family)
    parts = PromptParts(prefix, suffix, increment=increment).with_lf()
    psm = renderer.render(replace(parts, increment=""), Order.PSM)
    rendered = renderer.render(parts, Order.MIDDLE_INCREMENT)
    assert rendered.token_ids == (*psm.token_ids, *renderer.encoder.encode(parts.increment))


def test_other_orders_take_the_increment_into_the_prefix() -> None:
    parts = replace(SINGLE_FILE, increment="doub")
    for order in (Order.PSM, Order.SPM):
        whole = replace(SINGLE_FILE, prefix=PREFIX + "doub")
        assert own_renderer().render(parts, order) == own_renderer().render(whole, order)
    plain = own_renderer().render(replace(parts, suffix=None))
    assert plain.token_ids[-2:] == tuple(own_renderer().encoder.encode("doub"))


@settings(max_examples=300)
@given(
    case=st.sampled_from(CASES),
    prefix=LINES,
    suffix=st.one_of(st.none(), LINES),
    increment=st.text(alphabet="c", max_size=40),
    max_tokens=st.integers(20, 400),
)
def test_a_cut_prompt_is_the_prompt_of_what_was_kept(
    case: tuple[str, Order], prefix: str, suffix: str | None, increment: str, max_tokens: int
) -> None:
    family, order = case
    renderer = renderer_of(family)
    parts = PromptParts(prefix, suffix, increment=increment)
    rendered = renderer.render(parts, order, max_tokens)
    before = prefix + increment
    if order is Order.MIDDLE_INCREMENT and 4 * len(increment) <= max_tokens:
        kept = before[len(before) - rendered.num_prefix_tokens : len(prefix)]
        kept_parts = PromptParts(kept, suffix, increment=increment)
    else:
        kept_parts = PromptParts(before[len(before) - rendered.num_prefix_tokens :], suffix)
    if suffix is not None:
        kept_parts = replace(kept_parts, suffix=suffix[: rendered.num_suffix_tokens])
    assert rendered.token_ids == renderer.render(kept_parts, order).token_ids
    assert bool(rendered.num_prefix_tokens) == bool(before)
    assert bool(rendered.num_suffix_tokens) == bool(suffix)
    assert len(rendered.token_ids) <= max_tokens


@settings(max_examples=300)
@given(
    case=st.sampled_from(CASES),
    sides=st.tuples(LINES, LINES),
    snippets=st.lists(st.text(alphabet="xy\n", max_size=60), max_size=4),
    max_tokens=st.integers(20, 400),
)
def test_a_prompt_with_context_keeps_the_budget_too(
    case: tuple[str, Order], sides: tuple[str, str], snippets: list[str], max_tokens: int
) -> None:
    family, order = case
    pieces = tuple(Snippet("s.py", text) for text in snippets)
    parts = PromptParts(*sides, path="m.py", repo="r", snippets=pieces)
    rendered = renderer_of(family).render(parts, order, max_tokens)
    assert len(rendered.token_ids) <= max_tokens
    assert rendered.num_snippet_tokens <= max_tokens // 4
    assert bool(rendered.num_prefix_tokens) == bool(sides[0])
    assert bool(rendered.num_suffix_tokens) == bool(sides[1])


def test_a_budget_that_holds_everything_changes_nothing() -> None:
    whole = own_renderer().render(WITH_CONTEXT, Order.SPM)
    assert own_renderer().render(WITH_CONTEXT, Order.SPM, max_tokens=1000) == whole


def test_counts_add_up_to_the_prompt() -> None:
    rendered = own_renderer().render(SINGLE_FILE, Order.SPM)
    encoder = own_renderer().encoder
    assert rendered.num_prefix_tokens == len(encoder.encode(PREFIX))
    assert rendered.num_suffix_tokens == len(encoder.encode(SUFFIX))
    assert rendered.num_snippet_tokens == 0
    assert len(rendered.token_ids) == 3 + rendered.num_prefix_tokens + rendered.num_suffix_tokens


def test_the_least_relevant_snippet_goes_first() -> None:
    snippets = tuple(Snippet(f"{name}.py", name * 20) for name in "xyz")
    parts = PromptParts("p\n" * 100, "s", path="m.py", snippets=snippets)
    text = renderer_of("fimserve").encoder.decode(
        renderer_of("fimserve").render(parts, Order.PSM, max_tokens=240).token_ids
    )
    assert "x" * 20 in text
    assert "y" * 20 in text
    assert "z" * 20 not in text


def test_a_snippet_of_megabytes_is_passed_over() -> None:
    snippets = (Snippet("big.py", "x = 1\n" * 500_000), SNIPPETS[0])
    parts = PromptParts(PREFIX, SUFFIX, path="main.py", snippets=snippets)
    small = replace(parts, snippets=snippets[1:])
    renderer = own_renderer()
    assert renderer.render(parts, None, 512) == renderer.render(small, None, 512)


def test_a_header_longer_than_its_share_is_left_out() -> None:
    parts = replace(WITH_CONTEXT, path="x/" * 200 + "main.py")
    renderer = own_renderer()
    assert renderer.render(parts, None, 200) == renderer.render(SINGLE_FILE, None, 200)


def test_a_long_increment_joins_the_prefix() -> None:
    parts = PromptParts("p\n", "s\n", increment="word " * 60)
    rendered = own_renderer().render(parts, Order.MIDDLE_INCREMENT, max_tokens=100)
    whole = PromptParts("p\n" + "word " * 60, "s\n")
    assert rendered == own_renderer().render(whole, Order.MIDDLE_INCREMENT, max_tokens=100)


def test_typing_into_the_increment_leaves_the_rest_of_a_cut_prompt_alone() -> None:
    lines = "".join(f"line {i}\n" for i in range(300))
    increments = [("name_of_a_variable" * 3)[:n] for n in range(40)]
    heads = set()
    for increment in increments:
        parts = PromptParts(lines, lines, increment=increment)
        rendered = own_renderer().render(parts, Order.MIDDLE_INCREMENT, max_tokens=400)
        num_typed = len(own_renderer().encoder.encode(increment))
        heads.add(rendered.token_ids[: len(rendered.token_ids) - num_typed])
    assert len(heads) <= 3


@pytest.mark.parametrize("max_tokens", [-1, 0, 4])
def test_a_budget_without_room_for_text_is_refused(max_tokens: int) -> None:
    with pytest.raises(BudgetTooSmall, match=f"budget is {max_tokens} tokens .* at least 5"):
        own_renderer().render(SINGLE_FILE, Order.PSM, max_tokens)


def test_the_smallest_budget_keeps_one_token_of_each_side() -> None:
    rendered = own_renderer().render(SINGLE_FILE, Order.PSM, max_tokens=5)
    encoder = own_renderer().encoder
    last, first = encoder.encode(PREFIX)[-1], encoder.encode(SUFFIX)[0]
    assert rendered.token_ids == (1, last, 3, first, 2)


def test_an_order_the_family_lacks_is_refused() -> None:
    with pytest.raises(UnsupportedOrder, match="use one of: spm"):
        renderer_of("codestral").render(SINGLE_FILE, Order.PSM)


def test_the_default_order_is_the_family_s() -> None:
    assert own_renderer().render(SINGLE_FILE).order is Order.SPM
    assert renderer_of("qwen2.5-coder").render(SINGLE_FILE).order is Order.PSM


def test_crlf_becomes_lf_in_prompt_and_middle() -> None:
    prefix, suffix = fim("a = 1\r\nb = █\r\nc = 3\r\n")
    lf_prefix, lf_suffix = fim("a = 1\nb = █\nc = 3\n")
    renderer = own_renderer()
    assert renderer.render(PromptParts(prefix, suffix)) == renderer.render(
        PromptParts(lf_prefix, lf_suffix)
    )
    trained = renderer.render_training(PromptParts(prefix, suffix), "x\r\ny", Order.PSM)
    assert renderer.encoder.decode(trained).endswith("x\ny")


@pytest.mark.parametrize(("family", "order"), CASES)
def test_training_is_the_prompt_and_what_is_to_be_written(family: str, order: Order) -> None:
    renderer = renderer_of(family)
    trained = renderer.render_training(WITH_CONTEXT, MIDDLE, order)
    served = renderer.render(WITH_CONTEXT, order)
    middle = renderer.encoder.encode(MIDDLE)
    assert trained == [*served.token_ids, *middle, renderer.end_token_id]


def test_training_without_suffix_is_the_file() -> None:
    trained = own_renderer().render_training(PromptParts("a = ", None), "1\n", Order.PSM)
    assert own_renderer().encoder.decode(trained) == "a = 1\n"
    assert own_renderer().encoder.special_ids & set(trained) == {own_renderer().end_token_id}


@pytest.mark.parametrize("family", format_names())
def test_end_and_markers_stop_a_completion(family: str) -> None:
    renderer = renderer_of(family)
    stops = renderer.render(SINGLE_FILE).stop_token_ids
    tokens = {*renderer.format.markers.values(), *renderer.format.stop_tokens}
    tokens.add(renderer.format.end)
    assert stops == {renderer.encoder.token_id(token) for token in tokens}
    assert renderer.end_token_id in stops


def test_stop_tokens_that_a_tokenizer_lacks_are_skipped() -> None:
    assert own_renderer().stop_token_ids == {0, 1, 2, 3, 4, 5, 6}
    markers = [t for t in load_format("fimserve").required_tokens() if t != "<|fim_pad|>"]
    spec = byte_level_spec({token: 256 + i for i, token in enumerate(markers)})
    renderer = Renderer(load_format("fimserve"), TextEncoder.from_json(json.dumps(spec)))
    assert renderer.stop_token_ids == set(range(256, 262))


def test_stop_strings_are_the_family_s() -> None:
    assert renderer_of("codestral").render(SINGLE_FILE).stop_strings == ("\n+++++ ",)
    assert own_renderer().render(SINGLE_FILE).stop_strings == ()


def test_a_renderer_travels_to_a_worker_process() -> None:
    copy: Renderer = pickle.loads(pickle.dumps(own_renderer()))
    assert copy.render(WITH_CONTEXT) == own_renderer().render(WITH_CONTEXT)


def test_a_tokenizer_without_the_markers_is_refused() -> None:
    with pytest.raises(MissingMarker, match=r"no single token '<fim_prefix>'.*'starcoder2'"):
        Renderer(load_format("starcoder2"), own_renderer().encoder)


def test_a_tokenizer_that_writes_a_marker_for_text_is_refused() -> None:
    fim_format = load_format("granite4")
    tokens = fim_format.required_tokens()
    spec = byte_level_spec({token: 300 + i for i, token in enumerate(tokens)})
    spec["added_tokens"] = spec["added_tokens"][1:]
    spec["model"] |= {"vocab": spec["model"]["vocab"] | {tokens[0]: 300}, "ignore_merges": True}
    spec["pre_tokenizer"]["use_regex"] = False
    with pytest.raises(MissingMarker, match="fim_prefix"):
        Renderer(fim_format, TextEncoder.from_json(json.dumps(spec)))
