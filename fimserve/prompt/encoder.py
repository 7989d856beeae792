"""Text to token ids and back, where text is only ever text.

Wraps a tokenizer.json. A source file that contains `<|fim_middle|>` or `</s>` becomes the ordinary
tokens of those characters: ids of markers come from `token_id` alone. Knows nothing of prompts.
"""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fimserve.prompt.errors import UnsupportedTokenizer
from fimserve.prompt.vocabulary import make_byte_table, split_added_tokens, without_markers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The face that the reference implementations put before a text and cut off again, to keep
# SentencePiece from writing a blank there (mistral-common, `_encode_infilling`).
_SHIELD = "☺"


class TextEncoder:
    """A tokenizer that cannot be talked into emitting a marker.

    Safe to share between threads. Pickling carries the JSON text only, so a worker process rebuilds
    the tokenizer once, when it receives it.

    Args:
        text: The text of a tokenizer.json.

    Raises:
        UnsupportedTokenizer: If it is no BPE tokenizer, or its markers cannot be taken out.
    """

    def __init__(self, text: str) -> None:
        import tokenizers  # `import fimserve.prompt` stays free of it

        spec = json.loads(text)
        self._text = text
        self._markers, ordinary = split_added_tokens(spec)
        self._tokenizer: Tokenizer = tokenizers.Tokenizer.from_str(
            json.dumps(without_markers(spec))
        )
        self._vocab: dict[str, int] = spec["model"]["vocab"] | ordinary | self._markers
        for token, token_id in ordinary.items():
            if self._tokenizer.token_to_id(token) != token_id:
                raise UnsupportedTokenizer(
                    f"added token {token!r} is {self._tokenizer.token_to_id(token)} instead of "
                    f"{token_id} once the markers are taken out; list it in the vocabulary"
                )
        self._bytes = make_byte_table(spec)
        self.special_ids = frozenset(self._markers.values())
        self._marker_names = {token_id: marker for marker, token_id in self._markers.items()}
        shield_ids = self.encode(_SHIELD)
        self._num_shield_tokens = len(shield_ids)
        self.adds_leading_blank = self.decode(shield_ids) == " " + _SHIELD

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Return the encoder of a tokenizer.json, plain or compressed by gzip (`.gz`)."""
        opener = gzip.open if Path(path).suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as file:
            return cls(file.read())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the encoder of the text of a tokenizer.json."""
        return cls(text)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text that starts a run; SentencePiece puts its blank before it."""
        try:
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError:  # half a surrogate pair, which JSON can carry and UTF-8 cannot
            return self.encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        return ids

    def encode_continuation(self, text: str) -> list[int]:
        """Return the ids of a text that follows other text, without a blank of the tokenizer's."""
        if not self.adds_leading_blank or not text:
            return self.encode(text)
        return self.encode(_SHIELD + text)[self._num_shield_tokens :]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of some ids; markers add nothing, broken characters become U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", "replace")

    def spell(self, ids: Sequence[int]) -> str:
        """Return the text of some ids with markers by their names, as people write templates."""
        names = (self._marker_names.get(i) for i in ids)
        pieces = (n.encode() if n else self.token_bytes(i) for i, n in zip(ids, names, strict=True))
        return b"".join(pieces).decode("utf-8", "replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token adds to a text: none for markers and unused ids."""
        return self._bytes[token_id] if 0 <= token_id < len(self._bytes) else b""

    def token_id(self, marker: str) -> int | None:
        """Return the id of a token by its exact name, or None where there is no such token."""
        return self._vocab.get(marker)

    @property
    def vocab_size(self) -> int:
        """Number of ids, counting gaps: the largest id plus one."""
        return len(self._bytes)

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._text,)
