"""One completion's way from token ids to the text a client sees.

Tokens become characters, stop rules cut them, trimming takes what is not worth showing, line ends
become the document's own. Text that was released is never taken back; streamed and whole answers
are the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fimserve.engine.detokenizer import Detokenizer
from fimserve.engine.language import language_of
from fimserve.engine.stops import StopMatcher
from fimserve.engine.surroundings import KeptScans, Surroundings
from fimserve.engine.trimmer import Trimmer


class TextStream:
    """Releases the text of one completion as its tokens come.

    `feed` every token that is no stop token; once `stopped` is True the completion has ended and
    everything was released. Otherwise end with exactly one of `flush` (the model ended it, or the
    token limit) and `finish_at_line_end` (time is up).

    Args:
        token_bytes: Returns the bytes of a token; none for markers.
        stops: Texts that end the completion; empty ones are ignored.
        prefix: Text before the cursor, as the client sent it.
        suffix: Text after it; empty for a plain continuation.
        language: Language id of the file, or None.
        path: Its path, which tells the language where the id is missing.
        single_line: Whether the first line end after some text ends the completion.
        trim: Whether blocks, indentation, the suffix and repetition end it, and text that the
            suffix repeats and trailing white space go; False keeps all but stops.
        crlf: Whether the document's lines end in CRLF; None finds out.
        num_skipped_bytes: Bytes at the start that are no part of the text: those of token healing.
        kept: What was found around the session's last cursor.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        stops: Iterable[str] = (),
        *,
        prefix: str = "",
        suffix: str = "",
        language: str | None = None,
        path: str | None = None,
        single_line: bool = False,
        trim: bool = False,
        crlf: bool | None = None,
        num_skipped_bytes: int = 0,
        kept: KeptScans | None = None,
    ) -> None:
        self._detokenizer = Detokenizer(token_bytes, num_skipped_bytes)
        self._matcher = StopMatcher(map(_with_lf, stops), single_line)
        self._crlf = uses_crlf(prefix, suffix) if crlf is None else crlf
        self.num_chars = 0
        """Characters that the tokens so far stand for, those held back or cut off included."""
        self.has_whole_line = False
        """Whether a line with text was written to its end."""
        self._line_has_text = False
        self._trimmer: Trimmer | None = None
        if trim:
            name = language_of(language, path)
            parses = not single_line
            around = Surroundings(_with_lf(prefix), _with_lf(suffix), name, parses, kept)
            self._trimmer = Trimmer(around, single_line)

    @property
    def is_trimmed(self) -> bool:
        """Whether rules other than stops end and cut the text."""
        return self._trimmer is not None

    @property
    def stopped(self) -> bool:
        """Whether a rule ended the completion; all of its text was released then."""
        return self._matcher.stopped or (self._trimmer is not None and self._trimmer.stopped)

    def feed(self, token_id: int) -> str:
        """Return the text that a further token makes certain, maybe none."""
        text = self._detokenizer.feed(token_id)
        self.num_chars += len(self._with_own_line_ends(text))
        for part in text.splitlines(keepends=True):
            self._line_has_text |= not part.isspace()
            self.has_whole_line |= self._line_has_text and part.endswith("\n")
        return self._take(text)

    def flush(self) -> str:
        """Return the rest, once no further token comes."""
        return self._take(self._detokenizer.flush()) + self._end(at_line_end=False)

    def finish_at_line_end(self) -> str:
        """Return the rest up to the last whole line with text; all of it where there is none.

        Without trimming nothing is held back, so there is nothing to cut: this is `flush` then.
        """
        return self._take(self._detokenizer.flush()) + self._end(at_line_end=True)

    def _take(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._matcher.feed(text)
        if self._trimmer is not None:
            text = self._trimmer.feed(text)
            if self._matcher.stopped:
                text += self._trimmer.flush()
        return self._with_own_line_ends(text)

    def _end(self, at_line_end: bool) -> str:
        if self.stopped:
            return ""
        rest = self._matcher.flush()
        if self._trimmer is not None:
            rest = self._trimmer.feed(rest)
            rest += self._trimmer.flush_at_line_end() if at_line_end else self._trimmer.flush()
        return self._with_own_line_ends(rest)

    def _with_own_line_ends(self, text: str) -> str:
        return text.replace("\n", "\r\n") if self._crlf else text


def uses_crlf(*texts: str) -> bool:
    """Return whether most lines of some texts end in CRLF."""
    num_crlf = sum(text.count("\r\n") for text in texts)
    return 2 * num_crlf > sum(text.count("\n") for text in texts)


def _with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
