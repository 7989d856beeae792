"""Requests become prompts: order, anchor, budget, and what stays between requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.engine import CompletionRequest, InvalidRequest, make_renderer
from fimserve.engine.healing import HealingIndex
from fimserve.engine.planner import ModelFacts, Planner, PromptPlan
from fimserve.engine.session_book import Session
from fimserve.models import BrokenCheckpoint, LoadedModel, UnsupportedModel, load_model
from fimserve.prompt import Order
from support.loops import HandLoop
from support.tiny_checkpoint import write_tiny_checkpoint

PREFIX, SUFFIX = "def mean(values):\n    return ", "\n\nprint(mean([1, 2]))\n"
ORDERS = list(Order)


def make_planner(model: LoadedModel, max_prompt_tokens: int = 2048, **facts: object) -> Planner:
    usual = ModelFacts(
        name=model.name,
        orders=model.orders,
        default_order=model.default_order,
        multiline_order=model.multiline_order,
        max_context_tokens=model.config.max_context_tokens,
        eos_token_ids=model.eos_token_ids,
        can_heal=True,
    )
    facts_here = replace(usual, **facts)  # type: ignore[arg-type]
    renderer = make_renderer(model)
    encoder = renderer.encoder
    healing = HealingIndex(encoder.token_bytes, encoder.vocab_size, encoder.special_ids)
    return Planner(facts_here, renderer, max_prompt_tokens, healing)


def plan(
    planner: Planner, request: CompletionRequest, session: Session | None = None
) -> PromptPlan:
    return planner.plan(request, session or Session(), lambda ids: 0)


def spell(model: LoadedModel, token_ids: tuple[int, ...]) -> str:
    encoder = make_renderer(model).encoder
    return "".join(
        f"<{i}>" if i in encoder.special_ids else encoder.token_bytes(i).decode() for i in token_ids
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, "<1><3>SUFFIX<2>PREFIX"),
        (Order.PSM, "<1>PREFIX<3>SUFFIX<2>"),
        (Order.SPM, "<1><3>SUFFIX<2>PREFIX"),
        (Order.MIDDLE_INCREMENT, "<1>PREFIX<3>SUFFIX<2>"),
    ],
)
def test_the_order_is_the_requests_else_the_checkpoints(
    tiny_model: LoadedModel, order: Order | None, expected: str
) -> None:
    request = CompletionRequest(PREFIX, SUFFIX, order=order, heal=False)
    written = spell(tiny_model, plan(make_planner(tiny_model), request).token_ids)
    assert written.replace(PREFIX, "PREFIX").replace(SUFFIX, "SUFFIX") == expected


def test_an_order_the_model_was_not_trained_for_is_refused(tiny_model: LoadedModel) -> None:
    planner = make_planner(tiny_model, orders=("psm",), default_order="psm")
    with pytest.raises(InvalidRequest, match="order is 'spm'; tiny was trained for psm"):
        plan(planner, CompletionRequest(PREFIX, SUFFIX, order=Order.SPM))


def test_without_a_suffix_there_is_no_marker(tiny_model: LoadedModel) -> None:
    request = CompletionRequest(PREFIX, heal=False)
    assert spell(tiny_model, plan(make_planner(tiny_model), request).token_ids) == PREFIX


def test_nothing_at_all_follows_the_end_token(tiny_model: LoadedModel) -> None:
    assert plan(make_planner(tiny_model), CompletionRequest("")).token_ids == (0,)


def test_the_healed_bytes_are_those_the_prompt_lacks(tiny_model: LoadedModel) -> None:
    planned = plan(make_planner(tiny_model), CompletionRequest(PREFIX, order=None))
    assert planned.removed
    assert spell(tiny_model, planned.token_ids) + planned.removed.decode() == PREFIX


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("max_tokens", [0, 1, 64, 512, 10**9])
def test_a_prompt_too_long_is_cut_to_leave_room(
    tiny_model: LoadedModel, order: Order, max_tokens: int
) -> None:
    """The context is 1024 tokens; half of it always belongs to the prompt."""
    budget = max(1024 - max_tokens, 512)
    long = "".join(f"value_{i} = {i}\n" for i in range(4000))
    request = CompletionRequest(long, long, max_tokens=max_tokens, order=order)
    planned = plan(make_planner(tiny_model), request)
    assert 0.7 * budget < len(planned.token_ids) <= budget
    assert planned.room_tokens == 1024 - len(planned.token_ids)


# --- the order that is cheapest ------------------------------------------------------------------


def plan_with_cache(
    planner: Planner, request: CompletionRequest, session: Session, cached: list[tuple[int, ...]]
) -> PromptPlan:
    """Plan against a cache that holds some sequences; the prompt joins it."""

    def count(ids: object) -> int:
        tokens = tuple(ids)  # type: ignore[arg-type]
        return max((_num_common(tokens, known) for known in cached), default=0)

    planned = planner.plan(request, session, count)
    cached.append(planned.token_ids)
    return planned


def _num_common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    common = 0
    while common < min(len(first), len(second)) and first[common] == second[common]:
        common += 1
    return common


def test_auto_takes_the_checkpoints_order_where_nothing_is_cached(tiny_model: LoadedModel) -> None:
    request = CompletionRequest(PREFIX, SUFFIX, order="auto", heal=False)
    written = spell(tiny_model, plan(make_planner(tiny_model), request).token_ids)
    assert written == f"<1><3>{SUFFIX}<2>{PREFIX}"


def test_auto_takes_the_order_of_which_most_is_cached(tiny_model: LoadedModel) -> None:
    planner, session = make_planner(tiny_model), Session()
    cached: list[tuple[int, ...]] = []
    request = CompletionRequest(PREFIX, SUFFIX * 5, heal=False)
    plan_with_cache(planner, replace(request, order=Order.PSM), session, cached)
    planned = plan_with_cache(planner, replace(request, order="auto"), session, cached)
    assert planned.token_ids == cached[0]


def test_auto_types_on_by_increments_where_suffix_first_was_not_trained(
    tiny_model: LoadedModel,
) -> None:
    planner = make_planner(tiny_model, orders=("psm", "middle-increment"), default_order="psm")
    session, cached = Session(), list[tuple[int, ...]]()
    suffix = SUFFIX * 5
    for typed in ["", "s", "su", "sum"]:
        request = CompletionRequest(PREFIX + typed, suffix, order="auto", heal=False)
        planned = plan_with_cache(planner, request, session, cached)
    num_computed = len(planned.token_ids) - _num_common(cached[-1], cached[-2])
    assert num_computed <= 3
    assert spell(tiny_model, planned.token_ids) == f"<1>{PREFIX}<3>{suffix}<2>sum"


def test_a_trial_of_an_order_leaves_the_anchor_alone(tiny_model: LoadedModel) -> None:
    planner, session = make_planner(tiny_model), Session()
    plan(planner, CompletionRequest(PREFIX, SUFFIX, order=Order.MIDDLE_INCREMENT), session)
    anchor = session.anchor
    edited = CompletionRequest("import os\n" + PREFIX, SUFFIX, order="auto")
    cached = [plan(planner, replace(edited, order=Order.SPM)).token_ids]
    plan_with_cache(planner, edited, session, cached)
    assert session.anchor == anchor


# --- through the loop: what a keystroke computes --------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_a_keystroke_computes_little_in_the_orders_made_for_it(
    tiny_model: LoadedModel, order: Order
) -> None:
    hand = HandLoop(tiny_model)
    request = CompletionRequest(PREFIX, SUFFIX * 5, session="main.py", max_tokens=4, order=order)
    hand.complete(request)
    usage = hand.complete(replace(request, prefix=PREFIX + "s(")).deltas[-1].usage
    assert usage is not None
    num_computed = usage.prompt_tokens - usage.cached_tokens
    if order is Order.PSM:  # the whole suffix comes after the change
        assert num_computed > 30
    else:
        assert num_computed <= 2


def test_a_huge_max_tokens_fills_the_context_and_no_more(tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path / "short", max_context_tokens=64, endless=True)
    hand = HandLoop(load_model(str(directory), "cpu", "fp32"))
    request = CompletionRequest(
        "x = 1\n" * 100, max_tokens=10**9, temperature=1.0, seed=5, heal=False, trim=False
    )
    usage = hand.complete(request).deltas[-1].usage
    assert usage is not None
    assert usage.prompt_tokens <= 32
    assert usage.prompt_tokens + usage.completion_tokens == 64


def test_the_models_own_end_ends_the_completion(tmp_path: Path) -> None:
    hand = HandLoop(load_model(str(write_tiny_checkpoint(tmp_path)), "cpu", "fp32"))
    request = CompletionRequest(
        PREFIX, SUFFIX, max_tokens=500, temperature=5.0, seed=2, multiline=True, trim=False
    )
    asked = hand.complete(request)
    assert asked.deltas[-1].finish_reason == "stop"
    assert 0 < len(asked.token_ids) < 500
    assert min(asked.token_ids) > 6


# --- families ------------------------------------------------------------------------------------


def test_the_family_is_found_from_the_tokenizer_where_nothing_says_it(
    tiny_model: LoadedModel,
) -> None:
    unnamed = replace(tiny_model, family=None, orders=(), default_order=None)
    request = CompletionRequest(PREFIX, SUFFIX, max_tokens=4)
    assert HandLoop(unnamed).complete(request).deltas[-1].finish_reason is not None


def test_a_tokenizer_without_markers_is_refused(tiny_model: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    text = tiny_model.encoder_path.read_text(encoding="utf-8")
    path.write_text(text.replace("<|fim_", "<|mif_"), encoding="utf-8")
    with pytest.raises(UnsupportedModel, match=r"no known FIM markers; write fim\.json"):
        make_renderer(replace(tiny_model, family=None, encoder_path=path))


@pytest.mark.parametrize(
    "change", [{"family": "fimsurf"}, {"orders": ("psm", "mps")}, {"family": "starcoder2"}]
)
def test_a_family_or_order_that_does_not_fit_is_refused(
    tiny_model: LoadedModel, change: dict[str, str]
) -> None:
    with pytest.raises(BrokenCheckpoint, match=r"fimsurf|mps|<fim_prefix>"):
        make_renderer(replace(tiny_model, **change))  # type: ignore[arg-type]
