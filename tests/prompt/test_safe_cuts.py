"""Pieces encoded alone have the tokens of the whole, with every tokenizer that is at hand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.prompt.safe_cuts import find_cut
from support.byte_level import added_token, byte_level_spec
from support.edited_texts import TEXTS
from support.known_tokenizers import NAMES, known_encoder, known_tokenizer_json
from support.sentencepiece import sentencepiece_json

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
BYTES_ALONE = {**BYTE_LEVEL, "use_regex": False}
NFC, NFKC = {"type": "NFC"}, {"type": "NFKC"}


def split(expression: str, **options: object) -> dict[str, Any]:
    rule = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"}
    return {**rule, "invert": False, **options}


def steps(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(children)}


def spec_with(**changes: object) -> dict[str, Any]:
    return {**byte_level_spec({}), **changes}


@pytest.mark.parametrize("name", NAMES)
def test_every_tokenizer_at_hand_has_cuts(name: str) -> None:
    assert known_encoder(name).has_safe_cuts
    assert len(known_encoder(name).cut("def f(x):\n    return x\n\n\nprint(f(1))\n")) >= 3


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS)
def test_the_ids_of_the_pieces_are_those_of_the_whole(name: str, text: str) -> None:
    encoder = known_encoder(name)
    pieces = encoder.cut(text)
    assert "".join(pieces) == text
    assert all(pieces)
    assert [i for piece in pieces for i in encoder.encode(piece)] == encoder.encode(text)


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS, start=st.integers(0, 40))
def test_cuts_stay_where_they_are_when_a_text_starts_later(
    name: str, text: str, start: int
) -> None:
    encoder = known_encoder(name)
    later = encoder.cut(text[start:])[1:]
    assert encoder.cut(text)[-len(later) or None :] == later or not later
    assert all(encoder.cut(piece) == [piece] for piece in later)


@given(text=TEXTS)
def test_numbers_of_three_digits_change_no_cut(text: str) -> None:
    from tokenizers import Tokenizer

    spec = json.loads(known_tokenizer_json("embedded"))
    spec["pre_tokenizer"] = steps(split(LLAMA3), BYTES_ALONE)
    spec["added_tokens"] = []
    cut, tokenizer = find_cut(spec), _built(json.dumps(spec), Tokenizer)
    assert cut is not None
    whole = tokenizer.encode(text, add_special_tokens=False).ids
    alone = [tokenizer.encode(piece, add_special_tokens=False).ids for piece in cut(text)]
    assert [i for ids in alone for i in ids] == whole


@pytest.mark.parametrize(
    "spec",
    [
        json.loads(sentencepiece_json({})),
        spec_with(pre_tokenizer=None),
        spec_with(pre_tokenizer={**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True}),
        spec_with(pre_tokenizer=BYTES_ALONE),
        spec_with(pre_tokenizer=steps(split(r"\s+"), BYTES_ALONE)),
        spec_with(pre_tokenizer=steps(split(LLAMA3, invert=True), BYTES_ALONE)),
        spec_with(pre_tokenizer=steps(split(LLAMA3, behavior="MergedWithNext"), BYTES_ALONE)),
        spec_with(pre_tokenizer=steps(split(LLAMA3), {"type": "Metaspace"}, BYTES_ALONE)),
        spec_with(pre_tokenizer=split(LLAMA3)),
        spec_with(normalizer=NFKC),
        spec_with(normalizer={"type": "Sequence", "normalizers": [NFC, NFKC]}),
        spec_with(added_tokens=[added_token("a\nb", 256)]),
        spec_with(added_tokens=[{**added_token("word", 256), "lstrip": True}]),
        spec_with(model={**byte_level_spec({})["model"], "dropout": 0.1}),
    ],
)
def test_where_nothing_is_proven_nothing_is_cut(spec: dict[str, Any]) -> None:
    assert find_cut(spec) is None


@pytest.mark.parametrize("normaliser", [None, NFC, {"type": "Sequence", "normalizers": []}])
def test_the_usual_normalisers_are_no_obstacle(normaliser: object) -> None:
    assert find_cut(spec_with(normalizer=normaliser)) is not None


_tokenizers: dict[str, Any] = {}


def _built(text: str, kind: Any) -> Any:
    return _tokenizers.setdefault(text, kind.from_str(text))
