"""A model that knows one document by heart, token by token, and is lost between its tokens.

It shows what a split token does to a language model: at a place where the document's own tokens
meet it writes on; anywhere else, as behind a lone blank, it would rather write the digit 7, and
next to that a token that agrees with the document, the longer the better. Stands in for
`LlamaModel` in a `LoadedModel`; the markers' ids are those of the "fimserve" family.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fimserve.prompt import TextEncoder

END, PREFIX_MARKER, MIDDLE_MARKER, SUFFIX_MARKER = 0, 1, 2, 3


class RoteCache:
    """Holds the tokens themselves where a model would hold keys and values."""

    def __init__(self) -> None:
        self.token_ids: list[int] = []
        self.capacity = 0
        self.num_bytes = 0

    @property
    def length(self) -> int:
        return len(self.token_ids)

    def truncate(self, length: int) -> None:
        del self.token_ids[length:]

    def reserve(self, capacity: int) -> None:
        self.capacity = capacity


class RoteModel:
    """Scores tokens by one document."""

    def __init__(self, encoder: TextEncoder, document: str, num_scores: int) -> None:
        self.device = torch.device("cpu")
        self._tokens = [encoder.token_bytes(token_id) for token_id in range(encoder.vocab_size)]
        self._document = document.encode()
        self._num_scores = num_scores
        self._next: dict[int, int] = {}
        self._seen: list[int] = []
        self._digit = encoder.encode("7")[0]
        position = 0
        for token_id in encoder.encode(document):
            self._next[position] = token_id
            position += len(self._tokens[token_id])
        self._next[position] = END

    def make_cache(self, capacity: int) -> RoteCache:
        return RoteCache()

    def __call__(self, token_ids: Tensor, positions: Tensor, cache: RoteCache) -> Tensor:
        assert positions[0] == cache.length
        cache.token_ids += token_ids.tolist()
        self._seen = list(cache.token_ids)
        return token_ids[:, None].float()

    def logits(self, hidden: Tensor) -> Tensor:
        scores = torch.zeros(self._num_scores)
        text = b"".join(self._tokens[token_id] for token_id in _before_cursor(self._seen))
        if self._document.startswith(text):
            rest = self._document[len(text) :]
            for token_id, token in enumerate(self._tokens):
                if token and rest.startswith(token):
                    scores[token_id] = 5 + 0.1 * len(token)
            if len(text) in self._next:
                scores[self._next[len(text)]] = 20
        scores[self._digit] += 10
        return scores


def _before_cursor(token_ids: Sequence[int]) -> list[int]:
    """Return the tokens of prefix and middle, in the order of the text."""
    ids = list(token_ids)
    if MIDDLE_MARKER not in ids:
        return [token_id for token_id in ids if token_id != END]
    middle = ids.index(MIDDLE_MARKER)
    return ids[ids.index(PREFIX_MARKER) + 1 : ids.index(SUFFIX_MARKER)] + ids[middle + 1 :]
