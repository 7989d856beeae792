"""The table of families is sound, and families are found by name and by tokens."""

import re
from typing import Any

import pytest

from fimserve.prompt import (
    InvalidFamilyTable,
    Order,
    UnknownFamily,
    UnsupportedOrder,
    detect_format,
    format_names,
    load_format,
)
from fimserve.prompt.format import _build_format

FAMILIES = {
    "santacoder", "starcoder", "starcoder2", "deepseek-coder", "qwen2.5-coder", "codellama",
    "codegemma", "codestral", "granite", "granite4", "mellum", "refact", "seed-coder", "fimserve",
}  # fmt: skip


def entry(**changes: Any) -> dict[str, Any]:
    base = {
        "status": {"psm": "verified"},
        "trained": ["psm"],
        "default": "psm",
        "end": "<end>",
        "stop_tokens": [],
        "snippets_as": "comments",
        "plain": "{prefix}",
        "markers": {"prefix": "<p>", "suffix": "<s>", "middle": "<m>"},
        "orders": {"psm": "<<prefix>>{prefix}<<suffix>>{suffix}<<middle>>"},
    }
    return base | changes


def test_all_families_are_there() -> None:
    assert set(format_names()) == FAMILIES


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_layout_says_where_it_comes_from(family: str) -> None:
    fim_format = load_format(family)
    assert fim_format.status.keys() == {*map(str, fim_format.orders), "context"}
    assert set(fim_format.status.values()) <= {"verified", "third-party", "unverified"}


def test_an_unknown_family_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownFamily, match=re.escape("did you mean 'qwen2.5-coder'?")):
        load_format("Qwen2.5_Coder")
    with pytest.raises(UnknownFamily, match=r"'zzz'; known: santacoder"):
        load_format("zzz")


def test_an_order_without_layout_is_refused() -> None:
    with pytest.raises(UnsupportedOrder, match=r"'codestral' has no 'psm' layout; use one of: spm"):
        load_format("codestral").template(Order.PSM)


@pytest.mark.parametrize("family", sorted(FAMILIES - {"mellum", "refact"}))
def test_a_family_is_detected_by_its_own_tokens(family: str) -> None:
    fim_format = load_format(family)
    tokens = {*fim_format.required_tokens(), *fim_format.stop_tokens}
    found = detect_format(tokens.__contains__)
    assert found is not None
    assert found.family == family


def test_a_tokenizer_without_fim_tokens_is_not_detected() -> None:
    assert detect_format({"<s>", "</s>", "<|endoftext|>"}.__contains__) is None


def test_families_with_borrowed_tokens_are_taken_for_their_lender() -> None:
    tokens = {*load_format("mellum").required_tokens()}
    found = detect_format(tokens.__contains__)
    assert found is load_format("starcoder")


def test_own_family_is_trained_in_all_orders_and_served_suffix_first() -> None:
    own = load_format("fimserve")
    assert own.trained_orders == set(Order) == own.orders.keys()
    assert own.default_order is Order.SPM
    assert own.bos is None


def test_a_sound_entry_is_accepted() -> None:
    assert _build_format("x", entry()).default_order is Order.PSM


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "unknown keys"),
        ({"default": "spm"}, "default order spm has no layout"),
        ({"trained": ["spm"]}, "a trained order has no layout"),
        ({"snippets_as": "files"}, "either comments or have a layout"),
        ({"snippet": "{text}"}, "either comments or have a layout"),
        ({"markers": {"prefix": "<p>"}}, "they must be the same"),
        ({"plain": "{prefx}"}, "unknown slots"),
        ({"head": "{prefix}"}, "unknown slots"),
        ({"orders": {"psm": "<<prefix>>{prefix}<<suffix>><<middle>>"}}, "lacks the slots"),
        (
            {"orders": entry()["orders"] | {"middle-increment": entry()["orders"]["psm"]}},
            "lacks the slots",
        ),
    ],
)
def test_a_contradictory_entry_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidFamilyTable, match=complaint):
        _build_format("x", entry(**changes))
