"""Every family's prompt for one example, written out."""

from dataclasses import replace

import pytest

from fimserve.prompt import Order, PromptParts, Snippet, format_names, load_format
from fimserve.prompt.comments import comment_blocks
from support.byte_level import byte_level_renderer
from support.golden_example import PREFIX, SINGLE_FILE, SNIPPETS, SUFFIX, WITH_CONTEXT
from support.golden_prompts import (
    COMMENTS,
    CONTEXT_GOLDENS,
    PATH_GOLDENS,
    QWEN_CONTEXT,
    SINGLE_FILE_GOLDENS,
)

P, S = PREFIX, SUFFIX


def render_text(family: str, parts: PromptParts, order: str | None) -> str:
    renderer = byte_level_renderer(load_format(family))
    return renderer.render_text(parts, None if order is None else Order(order))


@pytest.mark.parametrize(("family", "order"), SINGLE_FILE_GOLDENS)
def test_single_file_prompt(family: str, order: str) -> None:
    assert render_text(family, SINGLE_FILE, order) == SINGLE_FILE_GOLDENS[family, order]


@pytest.mark.parametrize(("family", "order"), CONTEXT_GOLDENS)
def test_prompt_with_context(family: str, order: str) -> None:
    assert render_text(family, WITH_CONTEXT, order) == CONTEXT_GOLDENS[family, order]


@pytest.mark.parametrize(("family", "order"), PATH_GOLDENS)
def test_prompt_with_a_path_alone(family: str, order: str) -> None:
    parts = PromptParts(PREFIX, SUFFIX, path="main.py")
    assert render_text(family, parts, order) == PATH_GOLDENS[family, order]


def test_every_family_and_order_has_a_golden() -> None:
    orders = {
        (name, str(order))
        for name in format_names()
        for order in load_format(name).orders
        if order is not Order.MIDDLE_INCREMENT
    }
    assert SINGLE_FILE_GOLDENS.keys() == orders
    assert {family for family, _ in CONTEXT_GOLDENS} == set(format_names())


def test_repository_without_snippets_stands_before_the_path() -> None:
    parts = PromptParts(PREFIX, SUFFIX, path="main.py", repo="demo")
    assert render_text("fimserve", parts, "psm").startswith(
        "<|repo_name|>demo\n<|file_sep|>main.py\n<|fim_prefix|>"
    )


def test_starcoder2_context_verbatim() -> None:
    verbatim = replace(load_format("starcoder2"), strip_snippets=False)
    assert byte_level_renderer(verbatim).render_text(WITH_CONTEXT, Order.PSM) == (
        "<repo_name>demo<file_sep>utils.py\ndef double(x):\n    return x * 2<file_sep>config.py\n"
        f"LIMIT = 10<file_sep><fim_prefix>main.py\n{P}<fim_suffix>{S}<fim_middle>"
    )


def test_starcoder2_context_without_metadata() -> None:
    verbatim = replace(load_format("starcoder2"), strip_snippets=False)
    nameless = tuple(Snippet("", snippet.text) for snippet in SNIPPETS)
    parts = PromptParts(PREFIX, SUFFIX, snippets=nameless)
    assert byte_level_renderer(verbatim).render_text(parts, Order.PSM) == (
        "<file_sep>def double(x):\n    return x * 2<file_sep>LIMIT = 10<file_sep>"
        f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>"
    )


@pytest.mark.parametrize(
    ("family", "markers"),
    [
        ("qwen2.5-coder", ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")),
        ("fimserve", ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")),
        ("starcoder", ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),
        ("deepseek-coder", ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")),
    ],
)
def test_middle_increment_prompt(family: str, markers: tuple[str, str, str]) -> None:
    begin, hole, end = markers
    parts = PromptParts(PREFIX, SUFFIX, increment="doub")
    golden = f"{begin}{P}{hole}{S}{end}doub"
    assert render_text(family, parts, "middle-increment") == golden


def test_comment_fallback() -> None:
    assert "".join(comment_blocks(SNIPPETS, "#")) == COMMENTS


@pytest.mark.parametrize("family", format_names())
def test_plain_continuation_has_no_fim_marker(family: str) -> None:
    fim_format = load_format(family)
    text = render_text(family, PromptParts(PREFIX, None), None)
    assert text == PREFIX
    assert not any(marker in text for marker in fim_format.markers.values())


def test_plain_continuation_keeps_the_repository_layout() -> None:
    parts = PromptParts(PREFIX, None, path="main.py", repo="demo", snippets=SNIPPETS)
    assert render_text("fimserve", parts, None) == QWEN_CONTEXT + PREFIX
