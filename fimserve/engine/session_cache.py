"""What is remembered of each session between its requests.

A session is taken out while it is worked on and put back afterwards; the least recently used ones
go when the idle ones together exceed a byte budget. Keys hold the tenant: nobody finds another
tenant's session. Knows nothing of requests.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from fimserve.engine.anchor import Anchor
from fimserve.engine.errors import BrokenEngine
from fimserve.engine.sequence import Sequence


class SessionKey(NamedTuple):
    """Names a session."""

    tenant: str
    """Whose it is."""
    session: str
    """Which of this tenant's."""


@dataclass(slots=True)
class Session:
    """Holds the state of one session."""

    sequence: Sequence
    """The last prompt and completion with their keys and values."""
    anchor: Anchor | None = None
    """Where the last prompt in middle-increment order was anchored."""

    @property
    def num_bytes(self) -> int:
        """Bytes that the session holds: keys and values, and the anchor's text."""
        return self.sequence.num_bytes + (self.anchor.num_bytes if self.anchor else 0)


class SessionCache:
    """Holds idle sessions within a byte budget.

    Args:
        max_bytes: Budget of all idle sessions together; a session larger than it is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._sessions: OrderedDict[SessionKey, Session] = OrderedDict()
        self._num_bytes = 0

    def __len__(self) -> int:
        """Return the number of idle sessions."""
        return len(self._sessions)

    @property
    def num_bytes(self) -> int:
        """Bytes that the idle sessions hold together."""
        return self._num_bytes

    def take(self, key: SessionKey) -> Session | None:
        """Return a session and forget it, or None where there is none."""
        session = self._sessions.pop(key, None)
        if session is not None:
            self._num_bytes -= session.num_bytes
        return session

    def put(self, key: SessionKey, session: Session) -> None:
        """Remember a session as the most recently used, at the cost of the least recent ones."""
        self.take(key)
        self._sessions[key] = session
        self._num_bytes += session.num_bytes
        while self._num_bytes > self._max_bytes:
            self.take(next(iter(self._sessions)))

    def clear(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()
        self._num_bytes = 0

    def check_integrity(self) -> None:
        """Check that the counts add up.

        Raises:
            BrokenEngine: If they do not.
        """
        held = sum(session.num_bytes for session in self._sessions.values())
        if held != self._num_bytes or held > self._max_bytes:
            raise BrokenEngine(
                f"sessions hold {held} bytes, counted are {self._num_bytes}, "
                f"the budget is {self._max_bytes}"
            )
        broken = [k for k, session in self._sessions.items() if not session.sequence.is_consistent]
        if broken:
            raise BrokenEngine(f"tokens and cache of session {broken[0]} differ in length")
