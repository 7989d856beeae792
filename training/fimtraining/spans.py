"""Choose the hole of a fill-in-the-middle example: where the middle starts and ends in a text.

All cuts are between characters, never aligned to tokens (arXiv 2207.14255 shows that character
cuts alone survive a cursor inside a word). Uniform cuts give middles of a third of a file, which
no editor asks for, so part of the holes are as short as the completions people accept; the kinds
and shares are the recipe's. Knows nothing of tokens or prompts.
"""

import random
from collections.abc import Callable
from typing import NamedTuple


class Span(NamedTuple):
    """A hole: the middle is `text[start:end]`."""

    start: int
    end: int


def sample_uniform(text: str, rng: random.Random) -> Span:
    """Return two uniform cuts, as in arXiv 2207.14255, section 3."""
    a, b = rng.randint(0, len(text)), rng.randint(0, len(text))
    return Span(min(a, b), max(a, b))


def sample_short(text: str, rng: random.Random) -> Span:
    """Return a hole anywhere of 1 to 256 characters, every order of magnitude as likely."""
    start = rng.randint(0, len(text))
    return Span(start, min(len(text), start + int(2 ** rng.uniform(0, 8))))


def sample_rest_of_line(text: str, rng: random.Random) -> Span:
    """Return a hole from a cursor inside a line to that line's end."""
    start, end = _pick_line(text, rng)
    return Span(rng.randint(start, end), end)


def sample_whole_lines(text: str, rng: random.Random) -> Span:
    """Return a hole of whole lines, mostly one, with or without the line breaks at its borders."""
    start, end = _pick_line(text, rng)
    while rng.random() < 0.4 and end < len(text):
        end = _line_end(text, end + 1)
    if rng.random() < 0.5 and start > 0:
        start -= 1  # the break before, as when the cursor stands at the end of the line above
    elif rng.random() < 0.5:
        while start < end and text[start] in " \t":
            start += 1  # the editor has already indented
    if rng.random() < 0.5 and end < len(text):
        end += 1
    return Span(start, end)


SAMPLERS: dict[str, Callable[[str, random.Random], Span]] = {
    "uniform": sample_uniform,
    "short": sample_short,
    "rest_of_line": sample_rest_of_line,
    "whole_lines": sample_whole_lines,
}


def _pick_line(text: str, rng: random.Random) -> Span:
    """Return a line that is not blank where a few tries find one, without its line break."""
    for _ in range(4):
        at = rng.randint(0, len(text))
        line = Span(text.rfind("\n", 0, at) + 1, _line_end(text, at))
        if text[line.start : line.end].strip():
            break
    return line


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
