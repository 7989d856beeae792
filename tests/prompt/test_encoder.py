"""Text is only ever text, whatever it spells."""

import gzip
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.prompt import TextEncoder, UnsupportedTokenizer
from support.byte_level import added_token, byte_level_spec
from support.markers import ALL_MARKERS
from support.sentencepiece import sentencepiece_json

TINY = Path(__file__).parents[1] / "fixtures" / "prompt" / "tiny-tokenizer.json"
ENCODER = TextEncoder.from_file(TINY)


def text_with_markers() -> st.SearchStrategy[str]:
    return st.lists(st.one_of(st.text(max_size=8), st.sampled_from(ALL_MARKERS))).map("".join)


@given(text_with_markers())
def test_decoding_gives_the_text_back(text: str) -> None:
    assert ENCODER.decode(ENCODER.encode(text)) == text


@given(text_with_markers())
def test_text_never_becomes_a_marker(text: str) -> None:
    assert ENCODER.special_ids.isdisjoint(ENCODER.encode(text))


def test_ids_equal_the_plain_library_where_there_is_no_marker() -> None:
    from tokenizers import Tokenizer

    library = Tokenizer.from_file(str(TINY))
    text = TINY.with_name("make_fixtures.py").read_text(encoding="utf-8")
    text = text.replace("<|", "< |")
    assert ENCODER.encode(text) == library.encode(text, add_special_tokens=False).ids


def test_markers_have_ids_and_no_text() -> None:
    assert ENCODER.token_id("<|fim_middle|>") == 2
    assert ENCODER.token_id("<|no_such_marker|>") is None
    assert ENCODER.token_bytes(2) == b""
    assert ENCODER.decode([1, *ENCODER.encode("x = 1"), 2, 0]) == "x = 1"
    assert ENCODER.special_ids == frozenset(range(7))


def test_unused_ids_have_no_text() -> None:
    assert ENCODER.vocab_size == 384
    assert ENCODER.token_bytes(384) == b""
    assert ENCODER.token_bytes(-1) == b""


def test_half_a_character_becomes_a_replacement_character() -> None:
    ids = ENCODER.encode("é")
    assert b"".join(map(ENCODER.token_bytes, ids)) == "é".encode()
    assert ENCODER.decode(ids[:1]) == "\ufffd"


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert ENCODER.decode(ENCODER.encode("a\ud83db")) == "a\ufffdb"
    assert ENCODER.decode(ENCODER.encode("\ud83d\ude00")) == "\U0001f600"


def test_what_is_no_text_is_an_error() -> None:
    with pytest.raises(AttributeError):
        ENCODER.encode(5)  # type: ignore[arg-type]


def test_a_copy_in_another_process_encodes_the_same() -> None:
    copy = pickle.loads(pickle.dumps(ENCODER))
    assert copy.encode("def f(): ...") == ENCODER.encode("def f(): ...")
    assert copy.special_ids == ENCODER.special_ids


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json.gz"
    path.write_bytes(gzip.compress(TINY.read_bytes()))
    assert TextEncoder.from_file(path).encode("x") == ENCODER.encode("x")


def test_a_bos_that_the_file_adds_is_left_out() -> None:
    spec = byte_level_spec({"<s>": 256})
    spec["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [256], "tokens": ["<s>"]}},
    }
    assert len(TextEncoder.from_json(json.dumps(spec)).encode("abc")) == 3


def test_markers_that_are_not_flagged_special_are_no_text_either() -> None:
    markers = {"<｜fim▁hole｜>": 256, "<|User|>": 257, "[PAD49152]": 258}
    encoder = TextEncoder.from_json(json.dumps(byte_level_spec(markers, special=False)))
    for marker, token_id in markers.items():
        assert encoder.token_id(marker) == token_id
        assert encoder.special_ids.isdisjoint(encoder.encode(f"a{marker}b"))
        assert encoder.decode(encoder.encode(f"a{marker}b")) == f"a{marker}b"


def test_ordinary_added_tokens_keep_their_ids_and_text() -> None:
    spec = byte_level_spec({"<|endoftext|>": 256, "õ": 300, "\n\n": 301, "<table>": 302})
    for token in spec["added_tokens"][1:]:
        token["special"] = False
    encoder = TextEncoder.from_json(json.dumps(spec))
    assert encoder.encode("õ") == [300]
    assert encoder.encode("\n\n<table>") == [301, 302]
    assert encoder.decode([300, 301, 302]) == "õ\n\n<table>"
    assert encoder.special_ids == {256}


def test_a_marker_that_merges_would_spell_is_taken_out_of_them() -> None:
    spec = byte_level_spec({})
    spec["pre_tokenizer"]["use_regex"] = False
    spec["model"]["vocab"] |= {"<s": 256, "<s>": 257}
    spec["model"]["merges"] = [["<", "s"], ["<s", ">"]]
    assert TextEncoder.from_json(json.dumps(spec)).encode("<s>") == [257]
    spec["added_tokens"] = [added_token("<s>", 257)]
    encoder = TextEncoder.from_json(json.dumps(spec))
    assert encoder.token_id("<s>") == 257
    assert encoder.encode("<s>") == [256, encoder.token_id(">")]


def test_other_models_than_bpe_are_refused() -> None:
    unigram = {"added_tokens": [], "model": {"type": "Unigram", "vocab": [["a", 0.0]]}}
    with pytest.raises(UnsupportedTokenizer, match="'Unigram'"):
        TextEncoder.from_json(json.dumps(unigram))


def test_sentencepiece_writes_its_blank_only_where_text_starts() -> None:
    encoder = TextEncoder.from_json(sentencepiece_json({"<s>": 1, "</s>": 2}))
    assert encoder.adds_leading_blank
    assert encoder.encode("run") == [2250]
    assert encoder.encode_continuation("run") == [3988]
    assert encoder.encode_continuation("") == []
    assert encoder.decode(encoder.encode_continuation("print(n)\n")) == "print(n)\n"
    assert encoder.decode(encoder.encode("run")) == " run"


def test_byte_level_text_starts_and_continues_alike() -> None:
    assert not ENCODER.adds_leading_blank
    assert ENCODER.encode_continuation(" run") == ENCODER.encode(" run")
