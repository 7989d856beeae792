"""A SentencePiece-style tokenizer of a few pieces, with the ids that Mistral's v3 vocabulary gives.

Enough of the vocabulary to encode the example of the golden prompts as the whole one does. Pieces
are reached by merging from the left; what that passes through has ids of its own, from 40000 up.
"""

import json
from collections.abc import Mapping
from typing import Any

from support.byte_level import added_token

_PIECES = {
    "▁from": 1245, "▁utils": 26602, "▁import": 1494, "▁double": 4347, "▁run": 2250,
    "▁return": 1372, "▁▁▁": 3055, "▁": 29473, "print": 2799, "run": 3988, "def": 2038,
    "):": 2097, "))": 1511, "(": 29500, "3": 29538, "n": 29479,
}  # fmt: skip
_FIRST_BYTE = 771
_FIRST_PASSED = 40000


def sentencepiece_json(markers: Mapping[str, int]) -> str:
    """Return the text of the tokenizer.json with some markers, flagged special."""
    vocab = {"<unk>": 0} | {f"<0x{byte:02X}>": _FIRST_BYTE + byte for byte in range(256)} | _PIECES
    merges: dict[tuple[str, str], None] = {}
    for piece in _PIECES:
        for end in range(1, len(piece)):
            merges[piece[:end], piece[end]] = None
    for left, right in merges:
        for token in (left, right, left + right):
            vocab.setdefault(token, _FIRST_PASSED + len(vocab))
    vocab.setdefault("☺", _FIRST_PASSED + len(vocab))
    spec: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [added_token(token, token_id) for token, token_id in markers.items()],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocab | dict(markers),
            "merges": [list(merge) for merge in merges],
        },
    }
    return json.dumps(spec)
