"""A model that knows one document by heart, token by token, and is lost between its tokens.

It shows what a split token does to a language model: at a place where the document's own tokens
meet it writes on; anywhere else, as behind a lone blank, it would rather write the digit 7, and
next to that a token that agrees with the document, the longer the better. Stands in for a
`CausalModel` in a `LoadedModel`; the markers' ids are those of the "fimserve" family.

Its pool keeps the tokens themselves where a model would keep keys and values, slot by slot: an
engine that reads a block it does not own, or forgets to copy one, gets another text.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fimserve.models import ForwardBatch
from fimserve.prompt import TextEncoder

END, PREFIX_MARKER, MIDDLE_MARKER, SUFFIX_MARKER = 0, 1, 2, 3
NOTHING = -1


class RotePool:
    """Holds the token of each slot."""

    def __init__(self, num_blocks: int, block_tokens: int) -> None:
        self.num_blocks, self.block_tokens = num_blocks, block_tokens
        self.num_bytes = 0
        self.slots = [NOTHING] * (num_blocks * block_tokens)

    def copy_tokens(self, source_block: int, target_block: int, num_tokens: int) -> None:
        source, target = source_block * self.block_tokens, target_block * self.block_tokens
        self.slots[target : target + num_tokens] = self.slots[source : source + num_tokens]

    def read(self, blocks: Sequence[int], num_tokens: int) -> list[int]:
        """Return the first tokens of a block table."""
        size = self.block_tokens
        found = [token for block in blocks for token in self.slots[block * size :][:size]]
        return found[:num_tokens]


class RoteModel:
    """Scores tokens by one document."""

    dtype = torch.float32
    device = torch.device("cpu")
    precision = "fp32"
    num_parameters = 0
    num_bytes = 0

    def __init__(self, encoder: TextEncoder, document: str, num_scores: int) -> None:
        self._tokens = [encoder.token_bytes(token_id) for token_id in range(encoder.vocab_size)]
        self._document = document.encode()
        self._num_scores = num_scores
        self._next: dict[int, int] = {}
        self._contexts: list[list[int]] = []
        self._digit = encoder.encode("7")[0]
        self.num_computed = 0
        position = 0
        for token_id in encoder.encode(document):
            self._next[position] = token_id
            position += len(self._tokens[token_id])
        self._next[position] = END

    def make_pool(self, num_blocks: int, block_tokens: int) -> RotePool:
        return RotePool(num_blocks, block_tokens)

    def __call__(self, batch: ForwardBatch, pool: RotePool) -> Tensor:
        ids, slots = batch.token_ids.tolist(), batch.slots.tolist()
        for token_id, slot in zip(ids, slots, strict=True):
            pool.slots[slot] = token_id
        self._contexts = []
        for segment in batch.segments:
            tokens = pool.read(segment.blocks, segment.num_context + segment.num_tokens)
            assert NOTHING not in tokens, "a slot was read that nothing was written to"
            for end in range(segment.num_context + 1, len(tokens) + 1):
                self._contexts.append(tokens[:end])
        self.num_computed += len(ids)
        return torch.arange(len(ids), dtype=torch.float32)[:, None]

    def logits(self, hidden: Tensor) -> Tensor:
        rows = [self._score(self._contexts[int(row)]) for row in hidden[:, 0]]
        return torch.stack(rows) if rows else torch.zeros(0, self._num_scores)

    def _score(self, token_ids: list[int]) -> Tensor:
        scores = torch.zeros(self._num_scores)
        text = b"".join(self._tokens[token_id] for token_id in _before_cursor(token_ids))
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
