"""What a tokenizer.json says about its tokens: which are markers, which bytes each stands for.

Works on the parsed JSON alone and needs no tokenizer library. Its main job is to write the twin of
a tokenizer that knows no markers, so that user text can never turn into one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fimserve.prompt.errors import UnsupportedTokenizer

Spec = dict[str, Any]

# Added tokens that are text in their own right. DeepSeek has single characters, Gemma (unverified)
# runs of white space and HTML tags: models saw them in ordinary files, so they must stay. All
# others (`<|User|>`, `[PAD49152]`, `<s>`) are markers even where the file does not flag them
# special, as DeepSeek's leaves out for its FIM tokens.
_ORDINARY = re.compile(
    r".|\s+|▁+|</?(?:table|caption|thead|tbody|tfoot|tr|th|td|h[1-6]|blockquote|strong|em|b|i|u|"
    r"sub|sup|code)>",
    re.DOTALL,
)
_SENTENCEPIECE_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def split_added_tokens(spec: Spec) -> tuple[dict[str, int], dict[str, int]]:
    """Return the ids of the added tokens that are markers, and of those that are ordinary text."""
    markers: dict[str, int] = {}
    ordinary: dict[str, int] = {}
    for token in spec.get("added_tokens") or ():
        is_ordinary = not token.get("special") and _ORDINARY.fullmatch(token["content"])
        (ordinary if is_ordinary else markers)[token["content"]] = token["id"]
    return markers, ordinary


def without_markers(spec: Spec) -> Spec:
    """Return the tokenizer's twin that cannot produce a marker and gives all other text equal ids.

    Args:
        spec: A parsed tokenizer.json; not modified.

    Returns:
        Another tokenizer.json, without post-processing, truncation and padding.

    Raises:
        UnsupportedTokenizer: If the model is not BPE, whose vocabulary alone can lose entries.
    """
    model = spec.get("model") or {}
    if model.get("type") != "BPE":
        raise UnsupportedTokenizer(
            f"the tokenizer's model is {model.get('type')!r}; only 'BPE' is supported, which every "
            "family with FIM markers uses"
        )
    markers, ordinary = split_added_tokens(spec)
    removed = markers.keys() - {model.get("unk_token")}
    # Ordinary added tokens join the vocabulary: the library numbers those it does not find there
    # by position, and positions have changed.
    vocab = {token: i for token, i in model["vocab"].items() if token not in removed} | ordinary
    return {
        **spec,
        "added_tokens": [t for t in spec.get("added_tokens") or () if t["content"] in ordinary],
        "model": {**model, "vocab": vocab, "merges": list(_possible_merges(model, removed))},
        "post_processor": None,
        "truncation": None,
        "padding": None,
    }


def make_byte_table(spec: Spec) -> list[bytes]:
    """Return the bytes that each token id adds to a text; markers and gaps add none."""
    markers, ordinary = split_added_tokens(spec)
    vocab: Mapping[str, int] = spec["model"]["vocab"]
    size = 1 + max([*vocab.values(), *markers.values(), *ordinary.values()], default=-1)
    to_bytes = _byte_level_bytes if _is_byte_level(spec) else _sentencepiece_bytes
    table = [b""] * size
    for token, token_id in vocab.items():
        if token not in markers:
            table[token_id] = to_bytes(token)
    for token, token_id in ordinary.items():
        table[token_id] = token.encode()
    return table


def _possible_merges(model: Mapping[str, Any], removed: set[str]) -> Iterator[Any]:
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if removed.isdisjoint((left, right, left + right)):
            yield merge


def _is_byte_level(spec: Spec) -> bool:
    return any(step.get("type") == "ByteLevel" for step in _steps(spec.get("decoder"), "decoders"))


def _steps(step: Mapping[str, Any] | None, children: str) -> Iterator[Mapping[str, Any]]:
    if step is None:
        return
    yield step
    for child in step.get(children) or ():
        yield from _steps(child, children)


def _byte_level_chars() -> dict[str, int]:
    """Return GPT-2's printable stand-in of every byte, reversed."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + i): byte for i, byte in enumerate(others)
    }


_BYTE_LEVEL_CHARS = _byte_level_chars()


def _byte_level_bytes(token: str) -> bytes:
    try:
        return bytes([_BYTE_LEVEL_CHARS[char] for char in token])
    except KeyError:  # not written in stand-ins: literal text
        return token.encode()


def _sentencepiece_bytes(token: str) -> bytes:
    if match := _SENTENCEPIECE_BYTE.fullmatch(token):
        return bytes([int(match[1], 16)])
    return token.replace("▁", " ").encode()
