"""The embedded tokenizer, and the published ones where ../shared has them."""

from functools import cache
from pathlib import Path

import pytest

import fimserve
from fimserve.prompt import TextEncoder
from support.shared import shared_tokenizer_json

NAMES = (
    "embedded",
    *(
        pytest.param(name, marks=pytest.mark.shared)
        for name in ("starcoder2", "refact", "deepseek-coder", "qwen2.5-coder")
    ),
)
"""Parameters of a test."""
EMBEDDED = Path(fimserve.__file__).parent / "models" / "embedded" / "tokenizer.json"


def known_tokenizer_json(name: str) -> str:
    """Return the text of a tokenizer.json, or skip the running test."""
    return (
        EMBEDDED.read_text(encoding="utf-8") if name == "embedded" else shared_tokenizer_json(name)
    )


@cache
def known_encoder(name: str) -> TextEncoder:
    """Return the encoder of a tokenizer, or skip the running test."""
    return TextEncoder.from_json(known_tokenizer_json(name))
