"""What is remembered of each session between its requests, beside its keys and values.

The anchor of its middle-increment prompts, the tokens of its recent completions, and how well they
could be guessed. Least recently used sessions are forgotten first. Keys hold the tenant: nobody
finds another tenant's session. Knows nothing of requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fimserve.engine.anchor import Anchor
from fimserve.engine.speculation import MAX_HISTORY_TOKENS, SpeculationGate
from fimserve.engine.surroundings import KeptScans
from fimserve.prompt import KeptTokens

SESSION_BYTES = 2048
"""What a session takes besides its anchor, its history and what is kept of its texts, about."""
TOKEN_BYTES = 36


class SessionKey(NamedTuple):
    """Names a session."""

    tenant: str
    """Whose it is."""
    session: str
    """Which of this tenant's."""


@dataclass(slots=True)
class Session:
    """Holds what is known of one session."""

    anchor: Anchor | None = None
    """Where the last prompt in middle-increment order was anchored."""
    gate: SpeculationGate = field(default_factory=SpeculationGate)
    """How often guesses were right."""
    history: list[int] = field(default_factory=list)
    """Tokens of recent completions, each behind the last tokens of its prompt; newest last."""
    tokens: KeptTokens = field(default_factory=KeptTokens)
    """Ids of the texts that its last prompts were made of."""
    scans: KeptScans = field(default_factory=KeptScans)
    """Brackets around its last cursor."""

    @property
    def num_bytes(self) -> int:
        """Bytes that the session holds, about."""
        anchor_bytes = self.anchor.num_bytes if self.anchor else 0
        history_bytes = TOKEN_BYTES * len(self.history)
        kept_bytes = self.tokens.num_bytes + self.scans.num_bytes
        return SESSION_BYTES + anchor_bytes + history_bytes + kept_bytes

    def remember(self, token_ids: Sequence[int]) -> None:
        """Add the tokens of a completion to the history, at the cost of the oldest."""
        self.history.extend(token_ids)
        del self.history[:-MAX_HISTORY_TOKENS]


class SessionBook:
    """Holds sessions within a byte budget.

    Args:
        max_bytes: Budget of all sessions together; the most recent one is kept whatever its size.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._sessions: OrderedDict[SessionKey, Session] = OrderedDict()
        self._counted: dict[SessionKey, int] = {}
        self._num_bytes = 0

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self._sessions)

    @property
    def num_bytes(self) -> int:
        """Bytes that the sessions hold together, as counted last."""
        return self._num_bytes

    def open(self, key: SessionKey | None) -> Session:
        """Return a session, made now where it is not known; without a key one that is not kept."""
        if key is None:
            return Session()
        session = self._sessions.setdefault(key, Session())
        self._sessions.move_to_end(key)
        self.recount(key)
        return session

    def recount(self, key: SessionKey | None) -> None:
        """Count a session that has grown, and forget the least recently used for it."""
        session = None if key is None else self._sessions.get(key)
        if key is None or session is None:
            return
        self._num_bytes += session.num_bytes - self._counted.get(key, 0)
        self._counted[key] = session.num_bytes
        while self._num_bytes > self._max_bytes and len(self._sessions) > 1:
            oldest, _ = self._sessions.popitem(last=False)
            self._num_bytes -= self._counted.pop(oldest)

    def clear(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()
        self._counted.clear()
        self._num_bytes = 0
