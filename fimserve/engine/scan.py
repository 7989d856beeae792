"""Which brackets a piece of source has, and what its end is inside of, by rules alone.

Strings and comments are skipped by one regular expression per family of languages. It serves where
there is no grammar, and on single lines, where a parser has nothing to hold on to. Knows nothing of
tokens and of what is done about the brackets.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

from fimserve.prompt.comments import line_comment

Inside = Literal["code", "string", "comment"]

PAIRS = {")": "(", "]": "[", "}": "{"}
"""Openers by their closers."""

_BACKTICK_LANGUAGES = frozenset(
    ["javascript", "javascriptreact", "typescript", "typescriptreact", "go", "shellscript"]
)
_SPANNING = frozenset({"block", "triple", "template"})
"""Groups of the expression that may match more than a line."""
_BRACKET_BYTES = 128
_NO_CHAR_QUOTES = frozenset({"rust", "lisp", "clojure", "scheme", "haskell", "ocaml", "vb"})


class Bracket(NamedTuple):
    """Holds one bracket outside of strings and comments."""

    position: int
    """Characters before it."""
    char: str


class Scan(NamedTuple):
    """Holds what was found in a text."""

    brackets: tuple[Bracket, ...]
    inside: Inside
    """What the end of the text is inside of."""
    open_at: int | None = None
    """Where that string or comment starts."""


class Match(NamedTuple):
    """Holds the brackets that lack their partner."""

    openers: tuple[Bracket, ...]
    closers: tuple[Bracket, ...]


def scan_by_rules(text: str, language: str | None = None) -> Scan:
    """Return brackets and end of a text that starts in code.

    Args:
        text: Source.
        language: Language id; None for one that is not known.

    Returns:
        The brackets in order.
    """
    return _scan_on(text, language, 0, [], [])


class KeptScan:
    """Scans texts by rules, most of which are the last one with something changed near its end.

    What stands before the line with the first change is not read again: there the state is known.
    It belongs to one session, as its texts do.
    """

    def __init__(self) -> None:
        self._text = ""
        self._language: str | None = None
        self._scan = Scan((), "code")
        self._spans: list[tuple[int, int]] = []  # strings and comments that may span lines

    @property
    def num_bytes(self) -> int:
        """Bytes that are kept, about."""
        text_bytes = sys.getsizeof(self._text) if self._text else 0
        return text_bytes + _BRACKET_BYTES * len(self._scan.brackets)

    def scan(self, text: str, language: str | None = None) -> Scan:
        """Return what `scan_by_rules` does.

        Args:
            text: Source that starts in code.
            language: Language id; None for one that is not known.

        Returns:
            The brackets in order.
        """
        if text == self._text and language == self._language:
            return self._scan
        start = self._find_start(text) if language == self._language else 0
        num_kept = bisect_left(self._scan.brackets, start, key=lambda bracket: bracket.position)
        brackets = list(self._scan.brackets[:num_kept])
        spans = [span for span in self._spans if span[1] <= start]
        self._scan = _scan_on(text, language, start, brackets, spans)
        self._text, self._language, self._spans = text, language, spans
        return self._scan

    def _find_start(self, text: str) -> int:
        """Return the last line start before which both texts have the same matches.

        What matches within a line looks no further than its line end. What may span lines either
        ends before the change, or it is read anew from where it starts. It can only fail to match
        at the lone backslash that a text ends with, so after such a text all is read anew.
        """
        if self._text.endswith("\\"):
            return 0
        start = text.rfind("\n", 0, _num_common(self._text, text)) + 1
        for span_start, span_end in reversed(self._spans):
            is_open = span_end == len(self._text)
            if span_start < start and (is_open or start < span_end):
                start = text.rfind("\n", 0, span_start) + 1
        return start


def _scan_on(
    text: str,
    language: str | None,
    start: int,
    brackets: list[Bracket],
    spans: list[tuple[int, int]],
) -> Scan:
    """Return the scan of a text whose start is read; brackets and spans behind it are added."""
    inside: Inside = "code"
    open_at = None
    for match in _pattern(language).finditer(text, start):
        kind = match.lastgroup
        if kind == "bracket":
            brackets.append(Bracket(match.start(), match[0]))
            continue
        if kind in _SPANNING:
            spans.append(match.span())
        if match.end() == len(text) and not _is_closed(match):
            inside = "comment" if kind in ("line", "block") else "string"
            open_at = match.start()
    return Scan(tuple(brackets), inside, open_at)


def _num_common(first: str, second: str) -> int:
    """Return how many characters two texts have in common at their start."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def match_brackets(brackets: Iterable[Bracket]) -> Match:
    """Return the brackets without a partner; a closer of another kind pairs with nothing."""
    openers: list[Bracket] = []
    closers: list[Bracket] = []
    for bracket in brackets:
        if bracket.char not in PAIRS:
            openers.append(bracket)
        elif openers and openers[-1].char == PAIRS[bracket.char]:
            openers.pop()
        else:
            closers.append(bracket)
    return Match(tuple(openers), tuple(closers))


def drop_reopened(brackets: Iterable[Bracket], text: str) -> list[Bracket]:
    """Leave out what comes to nothing: `}` and `{` of `} else {`, of `}, {` or of `) + f(`.

    Args:
        brackets: Brackets of a text, in order.
        text: The text.

    Returns:
        The others, in order.
    """
    lines: list[list[Bracket]] = [[]]
    last = 0
    for bracket in brackets:
        if "\n" in text[last : bracket.position]:
            lines.append([])
        lines[-1].append(bracket)
        last = bracket.position
    dropped: set[Bracket] = set()
    for line in lines:
        openers, closers = match_brackets(line)
        for closer, opener in zip(reversed(closers), openers, strict=False):
            if PAIRS[closer.char] != opener.char:
                break
            dropped |= {closer, opener}
    return [bracket for line in lines for bracket in line if bracket not in dropped]


def _is_closed(match: re.Match[str]) -> bool:
    text = match[0]
    if match.lastgroup == "line":
        return False
    if match.lastgroup == "block":
        return len(text) >= 4 and text.endswith("*/")
    quote = text[:3] if match.lastgroup == "triple" else text[0]
    return len(text) >= 2 * len(quote) and text.endswith(quote)


@cache
def _pattern(language: str | None) -> re.Pattern[str]:
    mark = line_comment(language) if language else None
    parts = []
    if mark == "//" or language is None:
        parts.append(r"(?P<block>/\*[\s\S]*?(?:\*/|\Z))")
    if mark is not None or language is None:
        parts.append(rf"(?P<line>{re.escape(mark or '//')}[^\n]*)")
    if language in ("python", "java", "kotlin", "scala", "swift", "csharp", "toml"):
        parts.append(
            r'(?P<triple>"""(?:\\[\s\S]|[^\\])*?(?:"""|\Z)|' r"'''(?:\\[\s\S]|[^\\])*?(?:'''|\Z))"
        )
    parts.append(r'(?P<double>"(?:\\.|[^"\\\n])*(?:"|$))')
    if language in _NO_CHAR_QUOTES or language is None:
        parts.append(r"(?P<char>'(?:\\[^'\n]+|[^'\\\n])')")
    else:
        parts.append(r"(?P<single>'(?:\\.|[^'\\\n])*(?:'|$))")
    if language in _BACKTICK_LANGUAGES:
        parts.append(r"(?P<template>`(?:\\[\s\S]|[^`\\])*(?:`|\Z))")
    parts.append(r"(?P<bracket>[()\[\]{}])")
    return re.compile("|".join(parts), re.MULTILINE)
