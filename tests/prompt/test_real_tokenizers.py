"""Golden ids and round trips with the published tokenizers, where ../shared has them."""

import ast
from functools import cache
from pathlib import Path

import pytest

import fimserve.prompt
from fimserve.prompt import Order, PromptParts, Renderer, TextEncoder, detect_format, load_format
from support.golden_example import MIDDLE, SINGLE_FILE, SNIPPETS, WITH_CONTEXT
from support.markers import ALL_MARKERS
from support.shared import shared_tokenizer_json

pytestmark = pytest.mark.shared

TOKENIZERS = {
    "starcoder2": "starcoder2",
    "starcoder": "refact",
    "deepseek-coder": "deepseek-coder",
    "qwen2.5-coder": "qwen2.5-coder",
}
"""Tokenizer by family; Refact's stands in for the first StarCoder's."""

STARCODER2_PSM = [
    1, 1097, 8767, 1220, 2082, 222, 222, 610, 1441, 45, 115, 731, 303, 461, 244, 3, 222, 222, 1243,
    45, 1967, 45, 56, 509, 222, 2,
]  # fmt: skip
QWEN_PSM = [
    151659, 1499, 12439, 1159, 1990, 271, 750, 1598, 1445, 982, 262, 470, 220, 151661, 271, 1350,
    38772, 7, 18, 1171, 151660,
]  # fmt: skip
PSM_GOLDENS = {
    "starcoder2": STARCODER2_PSM,
    "starcoder": [
        1, 1070, 8745, 1188, 2064, 203, 203, 589, 1420, 26, 96, 711, 284, 442, 225, 3, 203, 203,
        1216, 26, 1945, 26, 37, 490, 203, 2,
    ],
    "qwen2.5-coder": QWEN_PSM,
    "deepseek-coder": [
        32013, 32016, 3154, 3990, 82, 1659, 4964, 185, 185, 1551, 1404, 7, 77, 1772, 185, 315, 967,
        207, 32015, 185, 185, 4128, 7, 5608, 7, 18, 1435, 185, 32017,
    ],
}  # fmt: skip
QWEN_CONTEXT = [
    151663, 25762, 198, 151664, 6031, 7197, 198, 750, 1990, 2075, 982, 262, 470, 856, 353, 220, 17,
    198, 151664, 1676, 7197, 198, 57100, 284, 220, 16, 15, 198, 151664, 3817, 7197, 198,
]  # fmt: skip
# A file in a repository ends in a newline, 222: the published golden has files without.
STARCODER2_CONTEXT = [
    5, 6418, 6, 2324, 51, 997, 222, 610, 2082, 45, 125, 731, 303, 461, 837, 338, 244, 55, 222, 6,
    1180, 51, 997, 222, 13689, 299, 244, 54, 53, 222, 6, 1, 1850, 51, 997, 222,
]  # fmt: skip
MIDDLES = {
    "starcoder2": [2640, 45, 115, 46],
    "qwen2.5-coder": [4331, 1445, 8],
    "deepseek-coder": [13270, 7, 77, 8],
}
STOPS = {
    "starcoder2": {0, 1, 2, 3, 4, 5, 6},
    "starcoder": {0, 1, 2, 3, 4, 5, 18},
    "deepseek-coder": {32014, 32015, 32016, 32017, 32021},
    "qwen2.5-coder": {151643, 151645, *range(151659, 151665)},
}


@cache
def renderer_of(family: str) -> Renderer:
    encoder = TextEncoder.from_json(shared_tokenizer_json(TOKENIZERS[family]))
    return Renderer(load_format(family), encoder)


def source_files() -> list[str]:
    """Return the room's own files: code in two languages, with characters of many scripts."""
    folders = (Path(fimserve.prompt.__file__).parent, Path(__file__).parent)
    texts = [p.read_text("utf-8") for f in folders for p in [*f.glob("*.py"), *f.glob("*.toml")]]
    assert len(texts) > 15
    return texts


@pytest.mark.parametrize("family", TOKENIZERS)
def test_single_file_ids(family: str) -> None:
    rendered = renderer_of(family).render(SINGLE_FILE, Order.PSM)
    assert list(rendered.token_ids) == PSM_GOLDENS[family]
    assert rendered.stop_token_ids == STOPS[family]


def test_starcoder2_context_ids() -> None:
    rendered = renderer_of("starcoder2").render(WITH_CONTEXT, Order.PSM)
    assert list(rendered.token_ids) == STARCODER2_CONTEXT + STARCODER2_PSM[1:]


def test_qwen_context_ids() -> None:
    rendered = renderer_of("qwen2.5-coder").render(WITH_CONTEXT, Order.PSM)
    assert list(rendered.token_ids) == QWEN_CONTEXT + QWEN_PSM


def test_deepseek_context_ids_begin_with_bos_and_text() -> None:
    renderer = renderer_of("deepseek-coder")
    rendered = renderer.render(WITH_CONTEXT, Order.PSM)
    expected = [32013]
    for text in ("#utils.py\n" + SNIPPETS[0].text + "\n\n", "#config.py\nLIMIT = 10\n\n"):
        expected += renderer.encoder.encode(text)
    expected += renderer.encoder.encode("#main.py\n")
    assert list(rendered.token_ids) == expected + PSM_GOLDENS["deepseek-coder"][1:]


@pytest.mark.parametrize("family", MIDDLES)
def test_training_ends_with_the_middle_and_the_end_token(family: str) -> None:
    renderer = renderer_of(family)
    trained = renderer.render_training(SINGLE_FILE, MIDDLE, Order.PSM)
    assert trained == [*PSM_GOLDENS[family], *MIDDLES[family], renderer.end_token_id]


@pytest.mark.parametrize("family", TOKENIZERS)
def test_ids_of_text_equal_the_plain_library(family: str) -> None:
    from tokenizers import Tokenizer

    library = Tokenizer.from_str(shared_tokenizer_json(TOKENIZERS[family]))
    encoder = renderer_of(family).encoder
    num_compared = 0
    for text in [*source_files(), "coração, õ ÷ ÿ, 你好 мир\t\n\n\n  \n"]:
        ids = library.encode(text, add_special_tokens=False).ids
        if encoder.special_ids.isdisjoint(ids):
            assert encoder.encode(text) == ids
            num_compared += 1
    assert num_compared > 5


@pytest.mark.parametrize("family", TOKENIZERS)
def test_source_files_round_trip(family: str) -> None:
    encoder = renderer_of(family).encoder
    for text in [*source_files(), "coração, õ ÷ ÿ Á, 你好 мир \U0001f600\t\r\n\x00"]:
        assert encoder.decode(encoder.encode(text)) == text


@pytest.mark.parametrize("family", TOKENIZERS)
def test_no_marker_of_any_family_comes_out_of_text(family: str) -> None:
    renderer = renderer_of(family)
    text = "".join(f"x = '{marker}'\n{marker}" for marker in ALL_MARKERS)
    text += "<|User|> <pad> [PAD49152] <tool_call> <NAME> <|im_start|>"
    assert renderer.encoder.special_ids.isdisjoint(renderer.encoder.encode(text))
    rendered = renderer.render(PromptParts(text, text))
    markers = [i for i in rendered.token_ids if i in renderer.encoder.special_ids]
    assert markers == list(renderer.render(PromptParts("", "")).token_ids)
    assert renderer.encoder.decode(rendered.token_ids) == text * 2


@pytest.mark.parametrize("family", TOKENIZERS)
def test_the_family_is_detected(family: str) -> None:
    encoder = renderer_of(family).encoder
    found = detect_format(lambda token: encoder.token_id(token) is not None)
    assert found is load_format(family)


@pytest.mark.parametrize("family", TOKENIZERS)
def test_budgets_hold_with_real_tokens(family: str) -> None:
    text = max(source_files(), key=len)
    ast.parse(text)
    parts = PromptParts(text[:6000], text[6000:], path="main.py", snippets=SNIPPETS)
    for max_tokens in (64, 300, 700, 1500):
        rendered = renderer_of(family).render(parts, None, max_tokens)
        assert 0.7 * max_tokens < len(rendered.token_ids) <= max_tokens
