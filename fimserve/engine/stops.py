"""Where a completion ends by its text: stop strings, and the line end of a single-line one.

A stop ends the text at the first character that completes it, so the result does not depend on
how the text is cut into pieces. Text that could still be the start of a stop is held back.
Knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable


class StopMatcher:
    """Releases text as it comes, up to the first stop.

    Args:
        stops: Texts that end the completion; empty ones are ignored.
        single_line: Whether the first line end after some text ends it too.
    """

    def __init__(self, stops: Iterable[str], single_line: bool = False) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._single_line = single_line
        self._held = ""
        self._has_text = False
        self.stopped = False
        """Whether a stop was reached; nothing is released from then on."""

    def feed(self, text: str) -> str:
        """Return the text that is certain to belong to the completion."""
        if self.stopped:
            return ""
        pending = self._held + text
        start = self._find_stop(pending)
        if start is not None:
            self.stopped = True
            self._held = ""
            return pending[:start]
        num_held = self._count_held(pending)
        released = pending[: len(pending) - num_held]
        self._held = pending[len(pending) - num_held :]
        self._has_text = self._has_text or not _is_blank(released)
        return released

    def flush(self) -> str:
        """Return what was held back, once no further text comes."""
        held, self._held = self._held, ""
        return held

    def _find_stop(self, text: str) -> int | None:
        """Return where the stop that is completed first starts, the longest of several."""
        found: list[tuple[int, int]] = []
        for stop in self._stops:
            start = text.find(stop)
            if start >= 0:
                found.append((start + len(stop), start))
        line_end = self._find_line_end(text)
        if line_end is not None:
            found.append((line_end + 1, line_end))
        return min(found)[1] if found else None

    def _find_line_end(self, text: str) -> int | None:
        if not self._single_line:
            return None
        first = 0 if self._has_text else len(text) - len(text.lstrip())
        if first == len(text) and not self._has_text:
            return None
        line_end = text.find("\n", first)
        return None if line_end < 0 else line_end

    def _count_held(self, text: str) -> int:
        """Return the length of the longest end of the text that starts a stop."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0


def _is_blank(text: str) -> bool:
    return not text.strip()
