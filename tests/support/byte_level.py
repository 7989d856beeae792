"""Tokenizers made on the spot: one token per byte, and the markers that a test asks for."""

import json
from collections.abc import Mapping
from typing import Any

from fimserve.prompt import FimFormat, Renderer, TextEncoder


def byte_level_spec(markers: Mapping[str, int], special: bool = True) -> dict[str, Any]:
    """Return a tokenizer.json of 256 byte tokens and some markers.

    Args:
        markers: Id of each marker, above 255.
        special: Whether the file flags them as special.

    Returns:
        The parsed JSON.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    spec: dict[str, Any] = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [added_token(token, i, special) for token, i in markers.items()]
    return spec


def added_token(content: str, token_id: int, special: bool = True) -> dict[str, Any]:
    """Return one entry of `added_tokens`."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": token_id, "content": content, **flags, "special": special}


def byte_level_renderer(fim_format: FimFormat) -> Renderer:
    """Return a renderer of the family with one token per byte and its markers from id 256 up."""
    tokens = dict.fromkeys((*fim_format.required_tokens(), *fim_format.stop_tokens))
    spec = byte_level_spec({token: 256 + i for i, token in enumerate(tokens)})
    return Renderer(fim_format, TextEncoder.from_json(json.dumps(spec)))
