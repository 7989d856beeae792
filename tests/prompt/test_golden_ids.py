"""Token ids of whole prompts, with tokenizers that live in this repository."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fimserve.prompt import Order, PromptParts, Renderer, TextEncoder, load_format
from support.golden_example import MIDDLE, PREFIX, SINGLE_FILE, SNIPPETS, SUFFIX, WITH_CONTEXT
from support.own_family import PROMPT_FIXTURES, own_renderer
from support.sentencepiece import sentencepiece_json

GOLDENS: dict[str, dict[str, Any]] = {
    golden["name"]: golden
    for golden in json.loads((PROMPT_FIXTURES / "fimserve-ids.json").read_text("utf-8"))
}
# Published for the whole v3 vocabulary, SPM.
CODESTRAL_IDS = [
    1, 13, 781, 781, 2799, 29500, 3988, 29500, 29538, 1511, 781, 11, 1245, 26602, 1494, 4347, 781,
    781, 2038, 2250, 29500, 29479, 2097, 781, 3055, 1372, 29473,
]  # fmt: skip


def spelled(renderer: Renderer, ids: Sequence[int]) -> str:
    """Return ids as text, markers by their names."""
    names = {renderer.encoder.token_id(t): t for t in renderer.format.required_tokens()}
    return "".join(names.get(i) or renderer.encoder.decode([i]) for i in ids)


@pytest.mark.parametrize("name", GOLDENS)
def test_golden_ids_spell_their_text(name: str) -> None:
    golden = GOLDENS[name]
    if name != "markers in the text":
        assert spelled(own_renderer(), golden["ids"]) == golden["text"]
    else:
        assert own_renderer().encoder.decode(golden["ids"]) == "a = '<|fim_middle|>'\n<|endoftext|>"


@pytest.mark.parametrize(
    ("name", "parts", "order"),
    [
        ("psm", SINGLE_FILE, Order.PSM),
        ("spm", SINGLE_FILE, Order.SPM),
        ("middle-increment", replace(SINGLE_FILE, increment="doub"), Order.MIDDLE_INCREMENT),
        ("empty suffix", PromptParts(PREFIX, ""), Order.SPM),
        ("empty prefix", PromptParts("", SUFFIX), Order.PSM),
        ("path", PromptParts(PREFIX, SUFFIX, path="main.py"), Order.SPM),
        ("repository", WITH_CONTEXT, Order.SPM),
        ("continuation", PromptParts(PREFIX, None, path="main.py"), None),
        ("markers in the text", PromptParts("a = '<|fim_middle|>'\n", "<|endoftext|>"), Order.PSM),
    ],
)
def test_golden_ids(name: str, parts: PromptParts, order: Order | None) -> None:
    golden = GOLDENS[name]
    rendered = own_renderer().render(parts, order)
    assert list(rendered.token_ids) == golden["ids"]
    assert rendered.order is order


@pytest.mark.parametrize(
    ("name", "parts", "middle", "order"),
    [
        ("training, spm", PromptParts(PREFIX, SUFFIX, path="main.py"), MIDDLE, Order.SPM),
        (
            "training, middle-increment",
            replace(SINGLE_FILE, increment="doub"),
            "le(n)",
            Order.MIDDLE_INCREMENT,
        ),
    ],
)
def test_golden_training_ids(name: str, parts: PromptParts, middle: str, order: Order) -> None:
    golden = GOLDENS[name]
    assert own_renderer().render_training(parts, middle, order) == golden["ids"]


def test_codestral_ids_have_the_blank_before_the_prefix_only() -> None:
    markers = {"<s>": 1, "</s>": 2, "[PREFIX]": 11, "[MIDDLE]": 12, "[SUFFIX]": 13}
    encoder = TextEncoder.from_json(sentencepiece_json(markers))
    renderer = Renderer(load_format("codestral"), encoder)
    assert list(renderer.render(SINGLE_FILE).token_ids) == CODESTRAL_IDS
    assert renderer.stop_token_ids == {2, 11, 12, 13}


def test_codellama_ids_in_both_orders() -> None:
    markers = {"<s>": 1, "</s>": 2, "▁<PRE>": 32007, "▁<SUF>": 32008, "▁<MID>": 32009}
    encoder = TextEncoder.from_json(sentencepiece_json(markers | {"▁<EOT>": 32010}))
    renderer = Renderer(load_format("codellama"), encoder)
    prefix, suffix = CODESTRAL_IDS[12:], CODESTRAL_IDS[2:11]
    psm = [1, 32007, *prefix, 32008, *suffix, 32009]
    spm = [1, 32007, 32008, *suffix, 32009, *prefix]
    assert list(renderer.render(SINGLE_FILE, Order.PSM).token_ids) == psm
    assert list(renderer.render(SINGLE_FILE, Order.SPM).token_ids) == spm
    trained = renderer.render_training(SINGLE_FILE, "run(n", Order.PSM)
    assert trained == [*psm, 3988, 29500, 29479, 32010]
    increment = replace(SINGLE_FILE, increment="run")
    rendered = renderer.render(increment, Order.MIDDLE_INCREMENT)
    assert list(rendered.token_ids) == [*psm, 3988]
    with_context = renderer.render(replace(WITH_CONTEXT, snippets=SNIPPETS[:1]), Order.PSM)
    assert encoder.decode(with_context.token_ids[1:]).startswith(" # Path: utils.py\n")
    assert encoder.decode(with_context.token_ids).count("\nfrom utils") == 1
