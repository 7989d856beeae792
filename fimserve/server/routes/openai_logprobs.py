"""OpenAI's four parallel lists of log-probabilities, one record after the other.

Offsets count characters from the beginning of the choice's whole text. A token is told with the
record that holds its text: healing and trimming make the text shorter than its tokens, and stop
strings hold text back, so tokens and text do not arrive together.
"""

from collections.abc import Sequence
from itertools import takewhile

from fimserve.engine import TokenLogprob

__all__ = ["LogprobLists"]


class LogprobLists:
    """Writes the log-probabilities of one choice."""

    def __init__(self) -> None:
        self._held: list[TokenLogprob] = []
        self._num_chars = 0

    def add(self, text: str, entries: Sequence[TokenLogprob]) -> None:
        """Note what arrived.

        Args:
            text: Text of the choice, behind what was noted before.
            entries: One for each token, in order; their text may follow later.
        """
        self._num_chars += len(text)
        self._held.extend(entries)

    def take(self, is_last: bool) -> dict[str, object] | None:
        """Return the lists of the tokens whose text has begun, and which no record had yet.

        Args:
            is_last: Whether no text follows: then of all tokens, those that were cut off too.

        Returns:
            The lists; None where there is no token.
        """
        ready = list(takewhile(lambda e: is_last or e.text_offset < self._num_chars, self._held))
        del self._held[: len(ready)]
        if not ready:
            return None
        return {
            "tokens": [_spell(entry.token_bytes) for entry in ready],
            "token_logprobs": [entry.logprob for entry in ready],
            "top_logprobs": [
                {_spell(token_bytes): logprob for _, token_bytes, logprob in entry.top}
                for entry in ready
            ],
            "text_offset": [min(entry.text_offset, self._num_chars) for entry in ready],
        }


def _spell(token_bytes: bytes) -> str:
    return token_bytes.decode("utf-8", "replace")
