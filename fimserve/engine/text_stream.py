"""One completion's way from token ids to the text a client sees.

Tokens become characters, stop rules cut them, line ends become the document's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fimserve.engine.detokenizer import Detokenizer
from fimserve.engine.stops import StopMatcher


class TextStream:
    """Releases the text of one completion as its tokens come.

    Args:
        token_bytes: Returns the bytes of a token.
        stops: Texts that end the completion.
        single_line: Whether the first line end after some text ends it.
        crlf: Whether the document's lines end in CRLF.
        num_skipped_bytes: Bytes at the start that are no part of the text: those of token healing.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        stops: Iterable[str],
        single_line: bool = False,
        crlf: bool = False,
        num_skipped_bytes: int = 0,
    ) -> None:
        self._detokenizer = Detokenizer(token_bytes, num_skipped_bytes)
        self._matcher = StopMatcher(map(_with_lf, stops), single_line)
        self._crlf = crlf

    @property
    def stopped(self) -> bool:
        """Whether a stop rule ended the completion."""
        return self._matcher.stopped

    def feed(self, token_id: int) -> str:
        """Return the text that a further token makes certain, maybe none."""
        return self._with_own_line_ends(self._matcher.feed(self._detokenizer.feed(token_id)))

    def flush(self) -> str:
        """Return the rest, once no further token comes."""
        released = self._matcher.feed(self._detokenizer.flush())
        return self._with_own_line_ends(released + self._matcher.flush())

    def _with_own_line_ends(self, text: str) -> str:
        return text.replace("\n", "\r\n") if self._crlf else text


def uses_crlf(*texts: str) -> bool:
    """Return whether most lines of some texts end in CRLF."""
    num_crlf = sum(text.count("\r\n") for text in texts)
    return 2 * num_crlf > sum(text.count("\n") for text in texts)


def _with_lf(stop: str) -> str:
    return stop.replace("\r\n", "\n").replace("\r", "\n")
