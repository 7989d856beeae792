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
from fimserve.prompt.safe_cuts import find_cut
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
        twin = without_markers(spec)
        self._tokenizer: Tokenizer = tokenizers.Tokenizer.from_str(json.dumps(twin))
        self._vocab: dict[str, int] = spec["model"]["vocab"] | ordinary | self._markers
        for token, token_id in ordinary.items():
            if self._tokenizer.token_to_id(token) != token_id:
                raise UnsupportedTokenizer(
                    f"added token {token!r} is {self._tokenizer.token_to_id(token)} instead of "
                    f"{token_id} once the markers are taken out; list it in the vocabulary"
                )
        self._bytes = make_byte_table(spec)
        self.token_sizes: Sequence[int] = list(map(len, self._bytes))
        """Bytes that each id adds to a text."""
        self.special_ids = frozenset(self._markers.values())
        self._marker_names = {token_id: marker for marker, token_id in self._markers.items()}
        shield_ids = self.encode(_SHIELD)
        self._num_shield_tokens = len(shield_ids)
        self.adds_leading_blank = self.decode(shield_ids) == " " + _SHIELD
        self._cut = None if self.adds_leading_blank else find_cut(twin)

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
            # A batch of one, since only batches can do without offsets: a fifth faster.
            (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        except TypeError:  # half a surrogate pair, which JSON can carry and UTF-8 cannot
            return self.encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        ids: list[int] = encoding.ids
        return ids

    @property
    def has_safe_cuts(self) -> bool:
        """Whether texts can be encoded piece by piece: it is known where they may be cut."""
        return self._cut is not None

    def cut(self, text: str) -> list[str]:
        """Return pieces whose ids, each encoded alone, are those of the text; maybe only one."""
        if self._cut is None:
            return [text] if text else []
        return self._cut(text)

    def encode_continuation(self, text: str) -> list[int]:
        """Return the ids of a text that follows other text, without a blank of the tokenizer's."""
        if not self.adds_leading_blank or not text:
            return self.encode(text)
        return self.encode(_SHIELD + text)[self._num_shield_tokens :]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of some ids; markers add nothing, broken characters become U+FFFD."""
        is_known = not ids or (min(ids) >= 0 and max(ids) < len(self._bytes))
        to_bytes = self._bytes.__getitem__ if is_known else self.token_bytes
        return b"".join(map(to_bytes, ids)).decode("utf-8", "replace")

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
