"""Says once that the server is away, and once that it is back.

A server that is down is no error for somebody who types: no popup, one line in the editor's log.
"""

from collections.abc import Callable
from typing import Literal

__all__ = ["Level", "OutageLog", "Say"]

Level = Literal["warning", "info"]
Say = Callable[[Level, str], None]


class OutageLog:
    """Remembers whether completions come.

    Args:
        say: Writes a line into the editor's log.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._said: set[str] = set()

    def note(self, url: str, reason: str) -> bool:
        """Note a failure.

        Args:
            url: The server.
            reason: What is wrong; each reason is said once until the server is back.

        Returns:
            Whether this one is new.
        """
        if reason in self._said:
            return False
        self._said.add(reason)
        self._say("warning", f"no completions from {url}: {reason}; asking again as you type")
        return True

    def clear(self, url: str) -> None:
        """Note that the server completes."""
        if self._said:
            self._said.clear()
            self._say("info", f"completions from {url} are back")
