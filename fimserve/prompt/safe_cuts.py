"""Where a text may be cut so that its pieces, encoded alone, have the tokens of the whole.

A pre-tokenizer splits text before any merge, so a place where it always splits, whatever stands
before and behind, is such a place if moreover neither side's own split looks past it. Which places
these are is proven here per pre-tokenizer; for one that is not known there are none. Cuts depend on
the characters next to them alone: an edit, or a text that starts later, moves no other cut.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Cut = Callable[[str], list[str]]
"""Splits a text into pieces that make it up; the empty text into none."""

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# Before a line end that follows a visible ASCII character. GPT-2's expression has white space at
# most at the start of what it matches together with other characters, and looks ahead of white
# space only: `x` and what follows it are always two matches, and what `x` ends looks at no more.
_BEFORE_LINE_END = re.compile(r"\n?[^\n]*(?:(?<![!-~])\n[^\n]*)*")
# Behind a line end where the next line holds, behind blanks and tabs, a visible ASCII character. In
# the expression of cl100k and its kin (Qwen, Llama 3) nothing goes on behind line ends but
# `\s*[\r\n]+`, and that only to another line end, of which there is none before the character.
# Alone, either side is matched likewise: the left one ends with its line end.
_BEHIND_LINE_END = re.compile(r"[^\n]*(?:\n(?![ \t]*[!-~])[^\n]*)*\n?")
# Before any line end: it was split from everything else before other expressions are asked.
_BEFORE_ANY_LINE_END = re.compile(r"\n?[^\n]*")

_PIECES_BY_EXPRESSION: Mapping[str, re.Pattern[str]] = {
    _GPT2: _BEFORE_LINE_END,
    _CL100K % "": _BEHIND_LINE_END,
    _CL100K % "{1,3}": _BEHIND_LINE_END,
    r"[\r\n]": _BEFORE_ANY_LINE_END,
    "[\r\n]": _BEFORE_ANY_LINE_END,  # DeepSeek's file has the characters themselves
}


def find_cut(spec: Mapping[str, Any]) -> Cut | None:
    """Return how the texts of a tokenizer may be cut, None where no place is known to be safe.

    Args:
        spec: A parsed tokenizer.json, without markers.

    Returns:
        A function; equal texts have equal pieces, and a piece is never cut again.
    """
    pattern = _find_pattern(list(_steps(spec.get("pre_tokenizer"))))
    if pattern is None or not _is_local(spec):
        return None
    find_all = pattern.findall

    def cut(text: str) -> list[str]:
        pieces: list[str] = find_all(text)
        if pieces and not pieces[-1]:  # the expression matches once more at the end
            pieces.pop()
        return pieces

    return cut


def _find_pattern(steps: list[Mapping[str, Any]]) -> re.Pattern[str] | None:
    """Return what matches the pieces: that of the first step which is not about single digits."""
    if not all(map(_is_piecewise, steps)) or "ByteLevel" not in {step["type"] for step in steps}:
        return None
    for step in steps:
        if step["type"] == "ByteLevel" and step.get("use_regex", True):
            return _BEFORE_LINE_END
        if step["type"] == "Split":
            return _PIECES_BY_EXPRESSION.get(step["pattern"].get("Regex", ""))
    return None


def _is_piecewise(step: Mapping[str, Any]) -> bool:
    """Return whether a step splits each piece by its own characters and adds none.

    A step of another kind could look at where in the text a piece stands. Digits are never next to
    a line end in one piece, so splitting them off first changes nothing there.
    """
    if step["type"] == "ByteLevel":
        return not step.get("add_prefix_space", True)
    if step["type"] == "Split":
        return bool(step.get("behavior") == "Isolated" and not step.get("invert"))
    return bool(step["type"] == "Digits")


def _is_local(spec: Mapping[str, Any]) -> bool:
    """Return whether nothing but the pre-tokenizer looks at what is beside a place.

    NFC composes nothing across a place before or behind which ASCII stands, and every piece but the
    first begins with it.
    """
    normalisers = {step["type"] for step in _steps(spec.get("normalizer"))}
    added = spec.get("added_tokens") or ()
    return (
        normalisers <= {"NFC"}
        and not spec["model"].get("dropout")
        and not any("\n" in token["content"] for token in added)
        and not any(token.get(flag) for token in added for flag in _SIDEWAYS)
    )


_SIDEWAYS = ("lstrip", "rstrip", "single_word")
"""Flags of added tokens that look at their neighbours."""


def _steps(step: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a normaliser or pre-tokenizer in their order, without the lists."""
    if step is None:
        return
    if step["type"] != "Sequence":
        yield step
        return
    for child in step.get("normalizers") or step.get("pretokenizers") or ():
        yield from _steps(child)
