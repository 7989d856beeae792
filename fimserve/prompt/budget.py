"""How many tokens each part of a prompt may take, and where a text is cut to fit.

The rule: markers and the increment come first, then the header of the current file, then snippets
up to a quarter; prefix and suffix share the rest 3 : 1, and what one leaves unused flows to the
other. Cuts keep the end of the prefix and the start of the suffix. Everything moves in steps, not
token by token: a prompt that shifts with each keystroke could reuse nothing of the key-value cache.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

MAX_SNIPPET_SHARE = 0.25
MAX_HEADER_SHARE = 0.25
MAX_INCREMENT_SHARE = 0.25
"""Above these shares of a budget snippets and header are dropped and the prompt is re-anchored."""

MAX_CHARS_PER_TOKEN = 16
"""A snippet, header or increment above this times its limit counts as too long, unencoded."""

_SUFFIX_SHARE = 0.25
_STEPS = 8
"""Granularity of the flow from prefix to suffix: an eighth of what both share."""

_WINDOW_CHARS_PER_TOKEN = 6
# Python, Java and JavaScript have 2.8 to 3.8 characters per token with the tokenizers of
# StarCoder2, DeepSeek-Coder and Qwen2.5-Coder, prose-laden modules up to 5.1. Text above 6 costs a
# second, wider encoding and nothing else.

Encode = Callable[[str], list[int]]
EncodePart = Callable[[str, int], list[int]]
"""Encodes a text from one of its ends on, until there are more tokens than a number."""
Decode = Callable[[Sequence[int]], str]


class TextBudget(NamedTuple):
    """Tokens granted to the two sides of the cursor."""

    prefix: int
    suffix: int


class Side(NamedTuple):
    """Text on one side of the cursor, and how it becomes ids."""

    text: str
    encode: Encode
    encode_end: EncodePart | None = None
    """A way to encode no more of an end of the text than is needed; None encodes all of it."""
    encode_start: EncodePart | None = None
    """The same from the start on."""

    def last_ids(self, window: int, max_tokens: int) -> list[int]:
        """Return the ids of the last characters, or of an end of them that has more tokens."""
        text = self.text[-window:]
        return self.encode(text) if self.encode_end is None else self.encode_end(text, max_tokens)

    def first_ids(self, window: int, max_tokens: int) -> list[int]:
        """Return the ids of the first characters, or of a start of them that has more tokens."""
        text, encode = self.text[:window], self.encode_start
        return self.encode(text) if encode is None else encode(text, max_tokens)


class FittedSides(NamedTuple):
    """Ids of both sides after cutting."""

    prefix: list[int]
    suffix: list[int]


def plan_snippets(sizes: Sequence[int], max_tokens: int) -> list[int]:
    """Return the indices of the snippets to keep: the most relevant ones that fit together.

    A snippet that is over the limit by itself is passed over; the first one that no longer fits
    next to those before it ends the choice.

    Args:
        sizes: Tokens of each snippet, most relevant first.
        max_tokens: Tokens that all of them may take.

    Returns:
        Ascending indices.
    """
    kept: list[int] = []
    used = 0
    for index, size in enumerate(sizes):
        if size > max_tokens:
            continue
        used += size
        if used > max_tokens:
            break
        kept.append(index)
    return kept


def split_budget(num_tokens: int, num_prefix_tokens: int, num_suffix_tokens: int) -> TextBudget:
    """Return what prefix and suffix get of the tokens they share.

    Args:
        num_tokens: Tokens to share, at least 2.
        num_prefix_tokens: Length of the prefix; where that exceeds `num_tokens`, any such number.
        num_suffix_tokens: Length of the suffix, likewise.

    Returns:
        Limits of both sides; together at most `num_tokens`.
    """
    if num_prefix_tokens + num_suffix_tokens <= num_tokens:
        return TextBudget(num_prefix_tokens, num_suffix_tokens)
    suffix_share = _suffix_share(num_tokens)
    if num_suffix_tokens <= suffix_share:
        return TextBudget(num_tokens - num_suffix_tokens, num_suffix_tokens)
    reserved = round_up(num_prefix_tokens, max(1, num_tokens // _STEPS))
    suffix = max(suffix_share, num_tokens - reserved)
    return TextBudget(num_tokens - suffix, suffix)


def fit_sides(
    prefix: Side, suffix: Side | None, max_tokens: int | None, decode: Decode
) -> FittedSides:
    """Return the ids of both sides of the cursor, cut so that they fit together.

    Args:
        prefix: Text before the cursor.
        suffix: Text after the cursor, or None where there is none.
        max_tokens: Limit of both together, at least 2; None cuts nothing.
        decode: Turns ids back into text.

    Returns:
        The end of the prefix and the start of the suffix.
    """
    suffix = suffix or Side("", prefix.encode)
    if max_tokens is None:
        return FittedSides(prefix.encode(prefix.text), suffix.encode(suffix.text))
    # Each side is encoded only as far as the other could leave room for it.
    share = _suffix_share(max_tokens)
    suffix_ids = encode_start(suffix, share)
    prefix_ids = encode_end(prefix, max_tokens - min(len(suffix_ids), share))
    if len(suffix_ids) > share and len(prefix_ids) < max_tokens - share:
        suffix_ids = encode_start(suffix, max_tokens - len(prefix_ids))
    granted = split_budget(max_tokens, len(prefix_ids), len(suffix_ids))
    return FittedSides(
        keep_end(prefix, prefix_ids, granted.prefix, decode),
        keep_start(suffix, suffix_ids, granted.suffix, decode),
    )


def encode_end(side: Side, max_tokens: int) -> list[int]:
    """Return the ids of a text, or of some end of it that has more than `max_tokens`.

    The limit decides how much is encoded: megabytes above it are never looked at.
    """
    window = max(1, max_tokens) * _WINDOW_CHARS_PER_TOKEN
    ids = side.last_ids(window, max_tokens)
    while len(ids) <= max_tokens and window < len(side.text):
        window *= 2
        ids = side.last_ids(window, max_tokens)
    return ids


def encode_start(side: Side, max_tokens: int) -> list[int]:
    """Return the ids of a text, or of some start of it that has more than `max_tokens`."""
    window = max(1, max_tokens) * _WINDOW_CHARS_PER_TOKEN
    ids = side.first_ids(window, max_tokens)
    while len(ids) <= max_tokens and window < len(side.text):
        window *= 2
        ids = side.first_ids(window, max_tokens)
    return ids


def keep_end(side: Side, ids: list[int], max_tokens: int, decode: Decode) -> list[int]:
    """Return the ids of the longest fitting end of a text, from a line start where one is near.

    The cut lies at the first line start after a multiple of half the budget in characters (about an
    eighth of the budget in tokens), counted from the start of the text: it stays where it is while
    text is typed at the end. Where that, or any line start, leaves less than half of the budget,
    the cut is between two tokens.

    Args:
        side: The text to cut on its left.
        ids: What `encode_end` returned for it and a limit of at least `max_tokens`.
        max_tokens: Limit of the result.
        decode: Turns ids back into text.

    Returns:
        At most `max_tokens` ids.
    """
    if len(ids) <= max_tokens:
        return ids
    ids = ids[len(ids) - max_tokens :]
    first = _nth_line_start_from_end(side.text, decode(ids).count("\n"))
    stable = _line_start_from(side.text, round_up(first, max(1, max_tokens // 2)))
    for start in (stable, first):
        kept = side.encode(side.text[start:])
        if max_tokens <= 2 * len(kept) <= 2 * max_tokens:
            return kept
    return ids


def keep_start(side: Side, ids: list[int], max_tokens: int, decode: Decode) -> list[int]:
    """Return the ids of the longest fitting start of a text, up to a line end where one is near.

    Args:
        side: The text to cut on its right.
        ids: What `encode_start` returned for it and a limit of at least `max_tokens`.
        max_tokens: Limit of the result.
        decode: Turns ids back into text.

    Returns:
        At most `max_tokens` ids.
    """
    if len(ids) <= max_tokens:
        return ids
    ids = ids[:max_tokens]
    kept = side.encode(side.text[: _nth_line_end(side.text, decode(ids).count("\n"))])
    return kept if max_tokens <= 2 * len(kept) <= 2 * max_tokens else ids


def round_up(number: int, step: int) -> int:
    """Return the smallest multiple of the step that is not below the number."""
    return -(-number // step) * step


def _suffix_share(num_tokens: int) -> int:
    return max(1, int(num_tokens * _SUFFIX_SHARE))


def _nth_line_start_from_end(text: str, num_newlines: int) -> int:
    """Return where the text after the n-th newline from the end starts; for none, the end."""
    position = len(text)
    for _ in range(num_newlines):
        position = text.rfind("\n", 0, position)
    return position + 1 if num_newlines else position


def _line_start_from(text: str, position: int) -> int:
    """Return the first line start at or after a position, or the end of the text."""
    newline = text.find("\n", max(0, position - 1))
    return len(text) if newline < 0 else newline + 1


def _nth_line_end(text: str, num_newlines: int) -> int:
    """Return the position after the n-th newline, 0 for none."""
    position = 0
    for _ in range(num_newlines):
        position = text.find("\n", position) + 1
    return position
