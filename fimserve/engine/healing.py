"""Token healing: a completion as the model would write it had the cursor never split a token.

In training text ` w` is one token; behind a prompt that ends in a lone blank the model has only
ever seen what does not join it, digits for instance. So the last token before the cursor is taken
off the prompt, and the first tokens written must agree with the bytes taken off. Those are not
shown again. Knows nothing of models and torch.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection
from typing import NamedTuple

from fimserve.prompt import TextEncoder

TAIL_CHARS = 64
"""Text encoded to find the last token: more than the longest token of almost any tokenizer."""

_UTF8_BYTES = [byte for byte in range(0xF5) if byte not in (0xC0, 0xC1)]


class Cut(NamedTuple):
    """Holds a text without its last token, and that token."""

    kept: str
    """Text that the prompt shows."""
    removed: bytes
    """Bytes that the first tokens written must spell; whole characters."""


def cut(text: str, encoder: TextEncoder) -> Cut:
    """Return a text without its last token, or one whole character where a token holds less.

    Nothing is cut where the tokenizer does not give back the text it is given, or writes a blank of
    its own before a text, as SentencePiece does: a first token would then mean something else.

    Args:
        text: Text before the cursor, with LF line ends.
        encoder: The model's tokenizer.

    Returns:
        Two pieces that make up the text.
    """
    tail = text[-TAIL_CHARS:]
    tokens = [encoder.token_bytes(token_id) for token_id in encoder.encode(tail)]
    tail_bytes = tail.encode()
    if not tail or encoder.adds_leading_blank or b"".join(tokens) != tail_bytes:
        return Cut(text, b"")
    start = len(tail_bytes) - len(tokens[-1])
    # A CR at the end would be taken for half a line end where the suffix starts with LF.
    while start > 0 and (_is_inside_char(tail_bytes[start]) or tail_bytes[start - 1] == 0x0D):
        start -= 1
    removed = tail_bytes[start:]
    return Cut(text[: len(text) - len(removed.decode())], removed)


class HealingIndex:
    """Finds the tokens that agree with some bytes, in microseconds.

    Args:
        token_bytes: Returns the bytes of a token; none for markers, which are never allowed.
        num_candidates: Ids from this one on are never allowed.
        excluded_ids: Nor are these.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        num_candidates: int,
        excluded_ids: Collection[int] = (),
    ) -> None:
        ranked = sorted(
            (token_bytes(token_id), token_id)
            for token_id in range(num_candidates)
            if token_id not in excluded_ids
        )
        first = bisect_right(ranked, b"", key=lambda entry: entry[0])
        self._tokens = [token for token, _ in ranked[first:]]
        self._ids = array("q", (token_id for _, token_id in ranked[first:]))

    @property
    def is_complete(self) -> bool:
        """Whether every text can be spelt byte by byte, so that no choice leads nowhere."""
        return all(self._find_equal(bytes([byte])) for byte in _UTF8_BYTES)

    def allowed(self, remaining: bytes) -> array[int]:
        """Return the ids of the tokens that start with some bytes, or that these start with.

        Args:
            remaining: At least one byte.

        Returns:
            64-bit ids, in no particular order.
        """
        size = len(remaining)
        start = bisect_left(self._tokens, remaining)
        end = bisect_right(self._tokens, remaining, lo=start, key=lambda token: token[:size])
        ids = self._ids[start:end]
        for length in range(1, size):
            ids.extend(self._find_equal(remaining[:length]))
        return ids

    def _find_equal(self, token: bytes) -> array[int]:
        start = bisect_left(self._tokens, token)
        return self._ids[start : bisect_right(self._tokens, token, lo=start)]


class Healer:
    """Limits the first tokens of one answer to those that spell the removed bytes.

    Args:
        index: Tokens by their bytes.
        token_bytes: Returns the bytes of a token.
        removed: Bytes that the prompt ends before; none lets everything pass.
    """

    def __init__(
        self, index: HealingIndex, token_bytes: Callable[[int], bytes], removed: bytes
    ) -> None:
        self._index = index
        self._token_bytes = token_bytes
        self._remaining = removed

    def allowed(self) -> array[int] | None:
        """Return the ids that the next token must be one of; None = it may be any."""
        return self._index.allowed(self._remaining) if self._remaining else None

    def accept(self, token_id: int) -> bool:
        """Note the next token and return whether it is new: more than the removed bytes."""
        if not self._remaining:
            return True
        token = self._token_bytes(token_id)
        is_new = len(token) > len(self._remaining)
        self._remaining = self._remaining[len(token) :]
        return is_new


def _is_inside_char(byte: int) -> bool:
    return byte & 0xC0 == 0x80
