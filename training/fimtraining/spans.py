"""Choose the hole of a fill-in-the-middle example: where the middle starts and ends in a text.

All cuts are between characters, never aligned to tokens (arXiv 2207.14255 shows that character
cuts alone survive a cursor inside a word). Uniform cuts give middles of a third of a file, which
no editor asks for, so part of the holes are as short as the completions people accept; the kinds
and shares are the recipe's. Knows nothing of tokens or prompts.
"""

import random
import re
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


def sample_line(text: str, rng: random.Random) -> Span:
    """Return one line that is not blank, with every combination of borders.

    The hole opens behind a line break, at the end of the line above, or behind the indentation, and
    closes before its own line break or behind it.
    """
    line = _draw_line(text, rng)
    return _draw_borders(text, line, rng)


def sample_block(text: str, rng: random.Random) -> Span:
    """Return a few lines that belong together, with the borders of `sample_line`.

    From a line that is not blank: mostly the lines indented deeper behind it (the line itself with
    them or not), otherwise lines up to the next blank one.
    """
    line = _draw_line(text, rng)
    first = _next_line(text, line)
    if first is not None and _indent(text, first) > _indent(text, line):
        start = line.start if rng.random() < 0.3 else first.start
        end = _block_end(text, first, _indent(text, line))
    else:
        start, end = line.start, line.end
        for _ in range(rng.randint(1, 4)):
            following = _next_line(text, Span(start, end))
            if following is None or not text[following.start : following.end].strip():
                break
            end = following.end
    return _draw_borders(text, Span(start, end), rng)


def sample_tail(text: str, rng: random.Random) -> Span:
    """Return what is missing of a line behind a cursor, as typing leaves it.

    Half of the cursors stand where a word ends or begins, half anywhere behind the indentation. A
    third of the holes leave the closing brackets that editors insert to the suffix.
    """
    line = _draw_line(text, rng)
    start, end = line.start + _indent(text, line), line.end
    places = [m.end() for m in _SEAM.finditer(text, start, end)] if rng.random() < 0.5 else []
    cursor = rng.choice(places) if places else rng.randint(start, end)
    if rng.random() < 0.33:
        while end > cursor and text[end - 1] in _CLOSERS:
            end -= 1
    return Span(cursor, end)


SAMPLERS: dict[str, Callable[[str, random.Random], Span]] = {
    "uniform": sample_uniform,
    "short": sample_short,
    "rest_of_line": sample_rest_of_line,
    "whole_lines": sample_whole_lines,
    "line": sample_line,
    "block": sample_block,
    "tail": sample_tail,
}

_SEAM = re.compile(r"[ (\[{.,=:]+|\w+")
_CLOSERS = ")]}\"':;, "
_MAX_BLOCK_LINES = 12


def _pick_line(text: str, rng: random.Random) -> Span:
    """Return a line that is not blank where a few tries find one, without its line break."""
    for _ in range(4):
        at = rng.randint(0, len(text))
        line = Span(text.rfind("\n", 0, at) + 1, _line_end(text, at))
        if text[line.start : line.end].strip():
            break
    return line


def _draw_line(text: str, rng: random.Random) -> Span:
    """Return a line that is not blank, if there is one: half by character, half by line.

    By character alone long lines would come too often, by line alone closing brackets.
    """
    if rng.random() < 0.5:
        return _pick_line(text, rng)
    breaks = [m.start() for m in re.finditer("\n", text)]
    starts = [0, *(at + 1 for at in breaks)]
    for _ in range(4):
        start = rng.choice(starts)
        line = Span(start, _line_end(text, start))
        if text[line.start : line.end].strip():
            break
    return line


def _draw_borders(text: str, lines: Span, rng: random.Random) -> Span:
    """Return whole lines with a border drawn at each end."""
    start, end = lines
    border = rng.random()
    if border < 0.3 and start > 0:
        start -= 1  # the cursor stands at the end of the line above
    elif border < 0.65:
        start = min(end, start + _indent(text, lines))  # the editor has already indented
    if rng.random() < 0.4 and end < len(text):
        end += 1
    return Span(start, end)


def _next_line(text: str, line: Span) -> Span | None:
    """Return the line behind a line, or None at the end of the text."""
    return Span(line.end + 1, _line_end(text, line.end + 1)) if line.end < len(text) else None


def _block_end(text: str, first: Span, indent: int) -> int:
    """Return where lines indented deeper than `indent` end, counted from one of them."""
    end, line = first.end, _next_line(text, first)
    for _ in range(_MAX_BLOCK_LINES - 1):
        if line is None:
            break
        is_blank = not text[line.start : line.end].strip()
        if not is_blank and _indent(text, line) <= indent:
            break
        end = end if is_blank else line.end
        line = _next_line(text, line)
    return end


def _indent(text: str, line: Span) -> int:
    """Return the number of blanks and tabs at the start of a line."""
    whole = text[line.start : line.end]
    return len(whole) - len(whole.lstrip(" \t"))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
