"""With real tokenizers: what a prompt keeps is what the whole file begins with, key after key."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import mean, median

import pytest

import fimserve
from fimserve.engine.healing import MAX_CUT_TOKENS, HealingIndex, cut
from fimserve.prompt import TextEncoder
from support.shared import shared_tokenizer_json
from support.source_texts import make_go, make_python

TOKENIZERS = ["embedded", "starcoder2", "refact", "deepseek-coder", "qwen2.5-coder"]
PACKAGE = Path(fimserve.__file__).parent
SOURCES = [
    (PACKAGE / "prompt" / "budget.py").read_text(encoding="utf-8"),
    (PACKAGE / "engine" / "healing.py").read_text(encoding="utf-8"),
    make_python(1),
    make_go(2),
    "\n".join(
        f'x{i} = "größe 数 😀👩‍👩‍👧 é" if y == {i * 1237} else z>>{i}  # ok' for i in range(40)
    ),
]


@pytest.fixture(scope="module", params=TOKENIZERS)
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    if request.param == "embedded":
        return TextEncoder.from_file(PACKAGE / "models" / "embedded" / "tokenizer.json")
    return TextEncoder.from_json(shared_tokenizer_json(request.param))


@pytest.fixture(scope="module")
def index(encoder: TextEncoder) -> HealingIndex:
    return HealingIndex(encoder.token_bytes, encoder.vocab_size, encoder.special_ids)


def count_common(first: list[int], second: list[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def test_the_kept_tokens_are_those_of_the_whole_text(
    encoder: TextEncoder, index: HealingIndex
) -> None:
    num_places, num_wrong, num_removed = 0, 0, 0
    for seed, text in enumerate(SOURCES):
        dice = random.Random(seed)  # an edit of one file moves no place in the others
        whole = encoder.encode(text)
        for _ in range(80):
            prefix = text[: dice.randrange(1, len(text))]
            kept = encoder.encode(cut(prefix, encoder, index).kept)
            num_places += 1
            num_wrong += kept != whole[: len(kept)]
            num_removed += len(encoder.encode(prefix)) - len(kept)
    assert num_wrong <= 0.015 * num_places
    assert num_removed <= 1.6 * num_places


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("total = summar", "total ="),
        ("if x =", "if x"),
        ("def f():\n    ", "def f():\n"),
        ("def f():\n        ", "def f():\n"),
    ],
)
def test_words_operators_and_indentation_are_taken_back_whole(
    encoder: TextEncoder, index: HealingIndex, text: str, kept: str
) -> None:
    assert kept.startswith(cut(text, encoder, index).kept)


@pytest.mark.parametrize(
    "text", ["x = '😀", "# 数", "x = 'é", "👩‍👩‍👧", "a" * 300, "9" * 300, " " * 300]
)
def test_the_cut_is_whole_characters_and_bounded(
    encoder: TextEncoder, index: HealingIndex, text: str
) -> None:
    kept, removed, _ = cut(text, encoder, index)
    assert kept + removed.decode() == text
    assert removed
    assert len(encoder.encode(removed.decode())) <= MAX_CUT_TOKENS + 4


def test_typing_changes_a_token_or_two_of_the_prompt_per_key(
    encoder: TextEncoder, index: HealingIndex
) -> None:
    num_new, num_lost = [], []
    for text in SOURCES:
        before: list[int] | None = None
        for length in range(300, 600):
            kept = encoder.encode(cut(text[:length], encoder, index).kept)
            if before is not None:
                common = count_common(before, kept)
                num_new.append(len(kept) - common)
                num_lost.append(len(before) - common)
            before = kept
    assert median(num_new) <= 1
    assert mean(num_new) <= 1
    assert mean(num_lost) <= 0.05
    assert sorted(num_new)[len(num_new) * 99 // 100] <= 4
