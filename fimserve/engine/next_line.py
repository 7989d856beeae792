"""Where the cursor stands right behind the head of an empty block: its body starts a line below.

A model that was trained on middles of every kind may take the place behind `def f():` for one where
nothing is missing. People have nothing to write there but a line end, and the indentation that
follows is known from the document, so the prompt is continued to where the body begins. What was
added is part of the completion. Knows nothing of tokens.
"""

from __future__ import annotations

import re
from dataclasses import replace

from fimserve.engine.clauses import first_word
from fimserve.engine.completion import CompletionDelta
from fimserve.engine.language import language_of
from fimserve.engine.multiline import wants_block
from fimserve.engine.request import CompletionRequest
from fimserve.engine.scan import match_brackets, scan_by_rules
from fimserve.engine.surroundings import SUFFIX_CHARS, cut_window

__all__ = ["Lead", "find_lead"]

MAX_HEAD_LINES = 40
"""Lines over which a head may stretch, its parameters one below the other."""
MAX_UNIT_COLUMNS = 8

_OPENERS = (":", "{")
_HEAD_BEFORE_BRACE = re.compile(
    r"(?:(?:\)|=>)\s*|[>\]]\s+|\b(?!(?:import|export|return|from|in|of)\b)\w+\s*)\{$"
)
"""What a brace that opens statements stands behind; others open literals and lists of names."""
_TELLING = (":", "{", "(", "[", "=>", " do", " then")
"""Ends of a line behind which the next one is indented by one unit."""


class Lead:
    """Puts the text that leads to the body before a request's completions.

    Args:
        text: A line end and indentation; may be empty.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._led: set[int] = set()

    def put_before(self, delta: CompletionDelta) -> CompletionDelta:
        """Return a piece of a completion, the first one with text with the lead before it.

        Args:
            delta: The piece as the model wrote it.

        Returns:
            The piece; a completion without any text stays without any.
        """
        if not self._text or not delta.text or delta.index in self._led:
            return delta
        self._led.add(delta.index)
        return replace(delta, text=self._text + delta.text)


def find_lead(request: CompletionRequest) -> str:
    """Return what stands between a cursor behind a head and the body of its block.

    Args:
        request: What is to be completed.

    Returns:
        A line end and the body's indentation; empty where the completion starts at the cursor, or
        where the request wants it as the model writes it.
    """
    if request.suffix is None or request.multiline is False or not request.trim:
        return ""
    if request.logprobs is not None or request.ignore_eos or request.min_tokens:
        return ""
    line = request.prefix.rpartition("\n")[2]
    if not line.endswith(_OPENERS):
        return ""
    language = language_of(request.language, request.path)
    if not wants_block(request.prefix, request.suffix, language) or not _has_head(line, language):
        return ""
    line_end = "\r\n" if "\r\n" in request.prefix + request.suffix else "\n"
    lead = line_end + _find_indent(request.prefix, request.suffix, language)
    return "" if any(stop in lead for stop in request.stop) else lead


def _has_head(line: str, language: str | None) -> bool:
    if line.endswith("{"):
        return _HEAD_BEFORE_BRACE.search(line) is not None
    # A colon opens a block where `wants_block` knows it to; elsewhere it may end a sentence.
    return language == "python" or first_word(line) in ("case", "default")


def _find_indent(prefix: str, suffix: str, language: str | None) -> str:
    """Return the indentation of the body; none where the document does not tell, for the model."""
    lines = cut_window(prefix).split("\n")
    head = _find_head(lines, language)
    below = suffix[:SUFFIX_CHARS].split("\n")
    unit = _find_unit(lines) or _find_unit(below)
    if head is None or unit is None:
        return ""
    return _indent_of(head) + unit


def _find_head(lines: list[str], language: str | None) -> str | None:
    """Return the first line of the statement that the last line ends."""
    for start in range(len(lines) - 1, max(-1, len(lines) - 1 - MAX_HEAD_LINES), -1):
        closers = match_brackets(scan_by_rules("\n".join(lines[start:]), language).brackets).closers
        # `} else {` closes a block of its own, at its own indentation.
        if all(closer.char == "}" for closer in closers):
            return lines[start]
    return None


def _find_unit(lines: list[str]) -> str | None:
    """Return what one more level is indented by in this document; None where nothing shows it."""
    filled = [line for line in lines if line.strip()]
    for above, line in zip(reversed(filled[:-1]), reversed(filled[1:]), strict=True):
        outer, inner = _indent_of(above), _indent_of(line)
        if above.rstrip().endswith(_TELLING) and inner.startswith(outer):
            unit = inner[len(outer) :]
            if unit == "\t" or (0 < len(unit) <= MAX_UNIT_COLUMNS and not unit.strip(" ")):
                return unit
    return None


def _indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
