"""From token ids to text, piece by piece.

Tokens are bytes; characters may span tokens. Text leaves only in whole characters, with LF as the
only line end. Knows nothing of models or stop rules.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable


class Detokenizer:
    """Turns one completion's tokens into text as they come.

    Bytes that can never become a character are U+FFFD, as in a whole decoding. A character still
    incomplete at the end is dropped: half a character has no place in somebody's file.

    Args:
        token_bytes: Returns the bytes of a token; none for markers.
        num_skipped_bytes: Bytes at the start that are no part of the text; whole characters.
    """

    def __init__(self, token_bytes: Callable[[int], bytes], num_skipped_bytes: int = 0) -> None:
        self._token_bytes = token_bytes
        self._num_unskipped = num_skipped_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        # Holds a CR back until it is known whether an LF follows.
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)

    def feed(self, token_id: int) -> str:
        """Return the characters that a further token completes, maybe none."""
        token = self._token_bytes(token_id)
        shown = token[self._num_unskipped :]
        self._num_unskipped -= len(token) - len(shown)
        return self._newlines.decode(self._utf8.decode(shown))

    def flush(self) -> str:
        """Return what was held back, once no further token comes."""
        return self._newlines.decode("", final=True)
