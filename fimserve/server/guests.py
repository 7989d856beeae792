"""Who is connected, counted from the moment a socket is accepted, and who goes for a newcomer.

A connection that says nothing costs its owner nothing, so connections alone must not be able to
keep others out: when all places are taken, one that has sent no whole request yet goes, then one
that is idle. Only where every place is being answered is the newcomer refused. Knows nothing of
HTTP and TLS.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["Guest", "Guests", "Stage"]

logger = logging.getLogger(__name__)

Stage: TypeAlias = Literal["waiting", "idle", "busy"]
"""waiting: no whole request line and headers yet; idle: answered, and nothing new was asked."""

REFUSED_SHARE = 8
"""At most this part of all places is held, beyond them, by those that read that there is none."""

REPORT_EVERY_S = 60.0


def _nothing() -> None:
    """Close nothing: the socket is not in anybody's hands yet."""


@dataclass(slots=True, eq=False)
class Guest:
    """One connection."""

    address: str
    """Host at its other end."""
    is_refused: bool = False
    """Whether there is no place for it."""
    find_stage: Callable[[], Stage] = field(default=lambda: "waiting")
    """Says how far it is."""
    show_out: Callable[[], object] = _nothing
    """Closes it at once."""


class Guests:
    """Everybody who is connected.

    Args:
        max_guests: Places.
        clock_s: Seconds that never go back.
    """

    def __init__(self, max_guests: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._max_guests = max_guests
        self._max_refused = max(1, max_guests // REFUSED_SHARE)
        self._clock_s = clock_s
        # Dictionaries for their order: who came first stands first.
        self._seated: dict[Guest, None] = {}
        self._refused: dict[Guest, None] = {}
        self._num_unreported = 0
        self._reported_s = clock_s() - REPORT_EVERY_S

    def __len__(self) -> int:
        """Return the number of connections, those that are being refused too."""
        return len(self._seated) + len(self._refused)

    def enter(self, address: str) -> Guest:
        """Count a connection that has just been accepted; for a place, another one may have to go.

        Args:
            address: Host at its other end.

        Returns:
            The guest, `is_refused` where it has no place and is only to be told so.
        """
        guest = Guest(address)
        if len(self._seated) >= self._max_guests and not self._make_room():
            guest.is_refused = True
            if len(self._refused) >= self._max_refused:
                self._send_away(next(iter(self._refused)))
            self._refused[guest] = None
        else:
            self._seated[guest] = None
        return guest

    def leave(self, guest: Guest) -> None:
        """Forget a connection that has ended; does nothing where it is forgotten.

        Args:
            guest: Whose it was.
        """
        self._seated.pop(guest, None)
        self._refused.pop(guest, None)

    def _make_room(self) -> bool:
        stages = {guest: guest.find_stage() for guest in self._seated}
        waiting = [guest for guest, stage in stages.items() if stage == "waiting"]
        if waiting:
            # Whoever has most of them has the least to lose: a flood from one address does not
            # push out what others have only just begun to say.
            counts = Counter(guest.address for guest in waiting)
            most = max(counts.values())
            self._send_away(next(guest for guest in waiting if counts[guest.address] == most))
            self._report()
            return True
        idle = next((guest for guest, stage in stages.items() if stage == "idle"), None)
        if idle is not None:
            self._send_away(idle)
        return idle is not None

    def _send_away(self, guest: Guest) -> None:
        self.leave(guest)
        guest.show_out()

    def _report(self) -> None:
        self._num_unreported += 1
        now_s = self._clock_s()
        if now_s - self._reported_s >= REPORT_EVERY_S:
            logger.warning(
                "%d connections that sent no request were closed for newer ones: all %d places "
                "were taken (max_connections)",
                self._num_unreported,
                self._max_guests,
            )
            self._num_unreported, self._reported_s = 0, now_s
