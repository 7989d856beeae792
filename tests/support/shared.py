"""Where evaluation data and real tokenizers lie beside a checkout; tests skip without them."""

import gzip
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
"""Folder next to the repository; a plain clone does not have it."""


def shared_file(relative: str) -> Path:
    """Return a file below SHARED, or skip the running test and say which file it wanted."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs ../shared/{relative}, which this checkout does not have")
    return path


def shared_tokenizer_json(name: str) -> str:
    """Return the text of a real tokenizer.json, or skip the running test."""
    path = shared_file(f"data/tokenizers/{name}/tokenizer.json.gz")
    return gzip.decompress(path.read_bytes()).decode()
