"""Bytes and kinds of tokens, from the JSON alone."""

import pytest

from fimserve.prompt import UnsupportedTokenizer
from fimserve.prompt.vocabulary import make_byte_table, split_added_tokens, without_markers
from support.byte_level import added_token, byte_level_spec


def test_flags_and_names_tell_markers_from_text() -> None:
    tokens = [
        added_token("<|weird|>", 1),
        added_token("<fim_middle>", 2, special=False),
        added_token("<|User|>", 3, special=False),
        added_token("  ", 4, special=False),
        added_token("÷", 5, special=False),
        added_token("</td>", 6, special=False),
    ]
    markers, ordinary = split_added_tokens({"added_tokens": tokens})
    assert sorted(markers.values()) == [1, 2, 3]
    assert sorted(ordinary.values()) == [4, 5, 6]


def test_every_byte_has_a_token() -> None:
    table = make_byte_table(byte_level_spec({"<|end|>": 260}))
    assert sorted(table[:256]) == [bytes([i]) for i in range(256)]
    assert table[256:] == [b""] * 5


def test_sentencepiece_bytes() -> None:
    vocab = {"<0x0A>": 0, "▁a": 1, "é": 2}
    spec = {"decoder": {"type": "ByteFallback"}, "model": {"vocab": vocab}}
    assert make_byte_table(spec) == [b"\n", b" a", "é".encode()]


def test_merges_written_as_strings_are_understood() -> None:
    spec = byte_level_spec({})
    spec["model"] |= {"merges": ["< s", "<s >", "a b"]}
    spec["model"]["vocab"] |= {"<s": 256, "<s>": 257, "ab": 258}
    spec["added_tokens"] = [added_token("<s>", 257)]
    assert without_markers(spec)["model"]["merges"] == ["< s", "a b"]


def test_the_original_is_not_modified() -> None:
    spec = byte_level_spec({"<|end|>": 256})
    without_markers(spec)
    assert spec["added_tokens"] == [added_token("<|end|>", 256)]


def test_a_file_without_model_is_refused() -> None:
    with pytest.raises(UnsupportedTokenizer, match="only 'BPE'"):
        without_markers({"added_tokens": []})
