"""MinHash sketches of texts, by which near-duplicates are found."""

from typing import Any

import rensa

from fimcurriculum.sources.decontamination import tokenize

__all__ = ["NUM_PERMUTATIONS", "SHINGLE_TOKENS", "make_sketch"]

NUM_PERMUTATIONS = 128
SHINGLE_TOKENS = 5


def make_sketch(text: str, seed: int) -> Any:
    """Return the MinHash sketch of a text's token shingles."""
    tokens = tokenize(text)
    grams = zip(*(tokens[i:] for i in range(SHINGLE_TOKENS)), strict=False)
    sketch = rensa.RMinHash(NUM_PERMUTATIONS, seed)
    sketch.update(list(set(map(" ".join, grams))) or tokens)
    return sketch
