"""Every family's prompt for one example, written out."""

from dataclasses import replace

import pytest

from fimserve.prompt import Order, PromptParts, Snippet, format_names, load_format
from fimserve.prompt.comments import comment_blocks
from support.byte_level import byte_level_renderer
from support.golden_example import PREFIX, SINGLE_FILE, SNIPPETS, SUFFIX, WITH_CONTEXT

P, S = PREFIX, SUFFIX
COMMENTS = (
    "# Path: utils.py\n# def double(x):\n#     return x * 2\n#\n# Path: config.py\n# LIMIT = 10\n"
)

SINGLE_FILE_GOLDENS = {
    ("santacoder", "psm"): f"<fim-prefix>{P}<fim-suffix>{S}<fim-middle>",
    ("santacoder", "spm"): f"<fim-prefix><fim-suffix>{S}<fim-middle>{P}",
    ("starcoder", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("starcoder", "spm"): f"<fim_prefix><fim_suffix>{S}<fim_middle>{P}",
    ("starcoder2", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("deepseek-coder", "psm"): f"<｜fim▁begin｜>{P}<｜fim▁hole｜>{S}<｜fim▁end｜>",
    ("deepseek-coder", "spm"): f"<｜fim▁begin｜><｜fim▁hole｜>{S}<｜fim▁end｜>{P}",
    ("qwen2.5-coder", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "spm"): f"<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("codellama", "psm"): f"<PRE> {P} <SUF>{S} <MID>",
    ("codellama", "spm"): f"<PRE> <SUF>{S} <MID> {P}",
    ("codegemma", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("codegemma", "spm"): f"<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("codestral", "spm"): f"[SUFFIX]{S}[PREFIX]{P}",
    ("granite", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("granite4", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("mellum", "spm"): f"<fim_suffix>{S}<fim_prefix>{P}<fim_middle>",
    ("refact", "spm"): f"<fim_suffix>{S}<fim_prefix>{P}<fim_middle>",
    ("refact", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("seed-coder", "spm"): f"<[fim-suffix]>{S}<[fim-prefix]>{P}<[fim-middle]>",
}

QWEN_CONTEXT = (
    "<|repo_name|>demo\n<|file_sep|>utils.py\ndef double(x):\n    return x * 2\n"
    "<|file_sep|>config.py\nLIMIT = 10\n<|file_sep|>main.py\n"
)
CONTEXT_GOLDENS = {
    ("santacoder", "psm"): f"<fim-prefix>{COMMENTS}{P}<fim-suffix>{S}<fim-middle>",
    ("starcoder", "psm"): f"<filename>main.py<fim_prefix>{COMMENTS}{P}<fim_suffix>{S}<fim_middle>",
    ("starcoder", "spm"): f"<filename>main.py<fim_prefix><fim_suffix>{S}<fim_middle>{COMMENTS}{P}",
    ("starcoder2", "psm"): (
        "<repo_name>demo<file_sep>utils.py\ndef double(x):\n    return x * 2\n"
        f"<file_sep>config.py\nLIMIT = 10\n<file_sep><fim_prefix>main.py\n{P}<fim_suffix>{S}"
        "<fim_middle>"
    ),
    ("deepseek-coder", "psm"): (
        "#utils.py\ndef double(x):\n    return x * 2\n\n#config.py\nLIMIT = 10\n\n#main.py\n"
        f"<｜fim▁begin｜>{P}<｜fim▁hole｜>{S}<｜fim▁end｜>"
    ),
    ("qwen2.5-coder", "psm"): f"{QWEN_CONTEXT}<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "psm"): f"{QWEN_CONTEXT}<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "spm"): f"{QWEN_CONTEXT}<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("codellama", "psm"): f"<PRE> {COMMENTS}{P} <SUF>{S} <MID>",
    ("codellama", "spm"): f"<PRE> <SUF>{S} <MID> {COMMENTS}{P}",
    ("codegemma", "psm"): (
        "utils.py\ndef double(x):\n    return x * 2\n<|file_separator|>config.py\nLIMIT = 10\n"
        f"<|file_separator|>main.py\n<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>"
    ),
    ("codestral", "spm"): (
        f"[SUFFIX]{S}[PREFIX]+++++ utils.py \ndef double(x):\n    return x * 2\n\n"
        f"+++++ config.py \nLIMIT = 10\n\n+++++ main.py\n{P}"
    ),
    ("granite", "psm"): f"<fim_prefix>{COMMENTS}{P}<fim_suffix>{S}<fim_middle>",
    ("granite4", "psm"): f"<|fim_prefix|>{COMMENTS}{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("mellum", "spm"): (
        "<filename>utils.py\ndef double(x):\n    return x * 2\n<filename>config.py\nLIMIT = 10\n"
        f"<filename>main.py\n<fim_suffix>{S}<fim_prefix>{P}<fim_middle>"
    ),
    ("refact", "spm"): f"<fim_suffix>{S}<fim_prefix>{COMMENTS}{P}<fim_middle>",
    ("seed-coder", "spm"): (
        f"<[fim-suffix]>{S}<[fim-prefix]><filename>utils.py\ndef double(x):\n    return x * 2\n"
        f"<filename>config.py\nLIMIT = 10\n<filename>main.py\n{P}<[fim-middle]>"
    ),
}

# A path without snippets: markers of files are written, headers in plain text are not.
PATH_GOLDENS = {
    ("fimserve", "spm"): f"<|file_sep|>main.py\n<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("qwen2.5-coder", "psm"): (
        f"<|file_sep|>main.py\n<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>"
    ),
    ("starcoder2", "psm"): f"<file_sep><fim_prefix>main.py\n{P}<fim_suffix>{S}<fim_middle>",
    ("mellum", "spm"): f"<filename>main.py\n<fim_suffix>{S}<fim_prefix>{P}<fim_middle>",
    ("starcoder", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("deepseek-coder", "psm"): f"<｜fim▁begin｜>{P}<｜fim▁hole｜>{S}<｜fim▁end｜>",
    ("codestral", "spm"): f"[SUFFIX]{S}[PREFIX]{P}",
}


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
