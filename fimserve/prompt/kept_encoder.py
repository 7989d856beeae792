"""Text to token ids, where only pieces that a session has not shown before are encoded.

The ids are those of `TextEncoder`, which does the encoding. Knows nothing of prompts.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise

from fimserve.prompt.encoder import TextEncoder
from fimserve.prompt.kept_tokens import KeptTokens

_CHARS_PER_TOKEN = 3
_MIN_CHARS = 256
# Pieces are taken in as many characters as the tokens still wanted have at least: code has 2.8 to
# 3.8 per token, and every call of the tokenizer costs as much as 20 of them.

Ids = Sequence[int]


class KeptEncoder:
    """Encodes the texts of one session.

    Args:
        encoder: The model's tokenizer, which must have safe cuts.
        kept: What the session has shown before.
    """

    def __init__(self, encoder: TextEncoder, kept: KeptTokens) -> None:
        self._encoder = encoder
        self._kept = kept

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return list(chain.from_iterable(self._look_up(self._encoder.cut(text))))

    def encode_continuation(self, text: str) -> list[int]:
        """Return the ids of a text that follows other text: a tokenizer with cuts adds no blank."""
        return self.encode(text)

    def encode_end(self, text: str, max_tokens: int) -> list[int]:
        """Return the last ids of a text: more than some number, or all where it has no more.

        Args:
            text: Any text.
            max_tokens: The number.

        Returns:
            The ids of an end of the text, from a safe cut on.
        """
        pieces = self._encoder.cut(text)
        found: list[Ids] = []
        num_ids, end = 0, len(pieces)
        while end and num_ids <= max_tokens:
            start, num_chars = end, _num_chars_for(max_tokens - num_ids)
            while start and num_chars > 0:
                start -= 1
                num_chars -= len(pieces[start])
            ids = self._look_up(pieces[start:end])
            num_ids += sum(map(len, ids))
            found[:0] = ids
            end = start
        return list(chain.from_iterable(found))

    def encode_start(self, text: str, max_tokens: int) -> list[int]:
        """Return the first ids of a text: more than some number, or all where it has no more.

        Args:
            text: Any text.
            max_tokens: The number.

        Returns:
            The ids of a start of the text, up to a safe cut.
        """
        pieces = self._encoder.cut(text)
        ids: list[int] = []
        end = 0
        while end < len(pieces) and len(ids) <= max_tokens:
            start, num_chars = end, _num_chars_for(max_tokens - len(ids))
            while end < len(pieces) and num_chars > 0:
                num_chars -= len(pieces[end])
                end += 1
            ids.extend(chain.from_iterable(self._look_up(pieces[start:end])))
        return ids

    def _look_up(self, pieces: Sequence[str]) -> list[Ids]:
        """Return the ids of each piece; those that are not known are encoded and kept."""
        found = self._kept.find_all(pieces)
        missing = [index for index, ids in enumerate(found) if ids is None]
        if missing:
            texts = [pieces[index] for index in missing]
            for index, ids in zip(missing, self._encode(texts), strict=True):
                found[index] = self._kept.keep(pieces[index], ids)
        return [ids or () for ids in found]

    def _encode(self, pieces: list[str]) -> list[Ids]:
        """Return the ids of each piece, in one call where they can be told apart afterwards.

        They can where no normalisation changes the number of bytes, and where the pieces are cut
        off each other next to their new neighbours, too.
        """
        text = "".join(pieces)
        if len(pieces) == 1 or not text.isascii() or self._encoder.cut(text) != pieces:
            return list(map(self._encoder.encode, pieces))
        ids = self._encoder.encode(text)
        ends = list(accumulate(map(self._encoder.token_sizes.__getitem__, ids)))
        stops = [bisect_left(ends, end) + 1 for end in accumulate(map(len, pieces))]
        return [ids[start:stop] for start, stop in pairwise([0, *stops])]


def _num_chars_for(num_tokens: int) -> int:
    return max(_MIN_CHARS, num_tokens * _CHARS_PER_TOKEN)
