"""Places to complete, cut one after the other from one long text, so that no two share any of it.

Lengths are tokens of a ruler. Knows no server and no clock.
"""

from dataclasses import dataclass

from fimeval.bench.question import CursorText
from fimeval.bench.token_ruler import MAX_CHARS_PER_TOKEN, TokenRuler
from fimeval.errors import EvalError

MARKER_TOKENS = 8
"""Left free in every prompt for markers and the header of the file."""


@dataclass(frozen=True, slots=True)
class PromptSize:
    """How long a prompt is."""

    tokens: int
    """All of it, markers included; the longest state of a place that grows."""
    suffix_share: float

    @property
    def suffix_tokens(self) -> int:
        """Tokens after the cursor."""
        return round((self.tokens - MARKER_TOKENS) * self.suffix_share)

    @property
    def prefix_tokens(self) -> int:
        """Tokens before the cursor."""
        return self.tokens - MARKER_TOKENS - self.suffix_tokens


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, and what somebody is about to type there."""

    prefix: str
    ahead: str
    """Text that will be typed between prefix and suffix."""
    suffix: str

    def typed(self, num_chars: int) -> CursorText:
        """Return the place once so many characters have been typed."""
        return CursorText(self.prefix + self.ahead[:num_chars], self.suffix)

    def typed_lines(self, num_lines: int) -> CursorText:
        """Return the place once so many lines have been typed, the last newline included."""
        lines = self.ahead.splitlines(keepends=True)
        return CursorText(self.prefix + "".join(lines[:num_lines]), self.suffix)

    @property
    def document(self) -> str:
        """The file without what is still to be typed."""
        return self.prefix + self.suffix


class TextSupply:
    """Hands out places of one text.

    Args:
        text: Source code.
        ruler: Measures it.
    """

    def __init__(self, text: str, ruler: TokenRuler) -> None:
        self._text = text
        self._ruler = ruler
        self._start = 0

    def take(self, size: PromptSize, num_chars: int = 0, num_lines: int = 0) -> Place:
        """Return the next place; its cursor stands at the beginning of a line.

        Args:
            size: Length of the prompt once all is typed.
            num_chars: Characters that will be typed there.
            num_lines: Lines that will be typed there.

        Returns:
            The place.

        Raises:
            EvalError: If the text has come to its end.
        """
        near = size.prefix_tokens * MAX_CHARS_PER_TOKEN
        cursor = self._find_line(self._start + near * 3 // 4)
        ahead_end = cursor + num_chars
        for _ in range(num_lines):
            ahead_end = self._find_line(ahead_end)
        ahead = self._text[cursor:ahead_end]
        prefix_tokens = size.prefix_tokens - self._ruler.count(ahead)
        if prefix_tokens < 1:
            raise EvalError(
                f"{size.tokens} tokens leave no prefix before what is typed ({len(ahead)} "
                "characters); lower --n or raise --tokens"
            )
        prefix = self._ruler.tail(self._text[self._start : cursor], prefix_tokens)
        # As many characters are missing as a keen answer may have.
        after = self._find_line(ahead_end + HOLE_CHARS)
        suffix = self._ruler.head(self._text[after:], size.suffix_tokens)
        self._start = after + len(suffix)
        return Place(prefix, ahead, suffix)

    def _find_line(self, start: int) -> int:
        """Return where the next line begins."""
        found = self._text.find("\n", start)
        if found < 0:
            raise EvalError(
                f"the source files hold {len(self._text)} characters, too few for so many prompts "
                "that share no text; lower --n or --tokens, or give more files by --corpus"
            )
        return found + 1


HOLE_CHARS = 120
"""Missing between cursor and suffix: about one answer."""
