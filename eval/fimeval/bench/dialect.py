"""What the benches ask of a dialect, and which dialects there are.

A dialect turns a question into a body and an event into text and counts. It keeps no state and
knows neither the network nor a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from fimeval.bench.answer import Counts, Transcript
from fimeval.bench.question import Question
from fimserve.prompt import Order

JsonObject = dict[str, Any]


class LengthControl(StrEnum):
    """How a server is told to write exactly so many tokens."""

    IGNORE_EOS = "ignore_eos"
    MIN_TOKENS = "min_tokens"
    NONE = "none"
    """It cannot be told, or ignores what it is told: answers may be short."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server was found to understand beyond the dialect itself."""

    length_control: LengthControl = LengthControl.NONE
    orders: tuple[Order, ...] = ()
    """Orders of the prompt that can be asked for; none where the server has no say in it."""
    has_sessions: bool = False
    """Whether it takes fimserve's own `session` and `multiline`."""


class Dialect(Protocol):
    """One way to ask for a completion."""

    path: str
    """Route, from the root of the server."""
    takes_order: bool
    """Whether fimserve's own field `order` may be tried."""
    own_orders: tuple[Order, ...]
    """Orders of the prompt that the dialect itself writes; none where the server writes prompts."""

    def make_body(self, question: Question, model: str | None, abilities: Abilities) -> JsonObject:
        """Return the body of a request that does not stream."""

    def streamed(self, body: JsonObject) -> JsonObject:
        """Return the body of the same request, streamed."""

    def read_event(self, event: bytes, transcript: Transcript) -> None:
        """Write what one event says into the transcript; StreamFault where it is no completion."""

    def read_whole(self, body: Mapping[str, Any]) -> Transcript:
        """Return what an answer that did not stream says; StreamFault where it is no completion."""


class StreamFault(Exception):
    """An answer that is no completion.

    Args:
        kind: The fault in a few words, the same for equal faults.
        detail: What was received, shortened.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


MAX_SHOWN_CHARS = 300


def shorten(text: str | bytes) -> str:
    """Return the beginning of what a server said, for a message."""
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return shown[:MAX_SHOWN_CHARS]


def read_count(value: object) -> int | None:
    """Return a count, or None where the server gives none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def checked(counts: Counts) -> Counts:
    """Return the counts, or none at all where they cannot be true."""
    return counts if counts.is_plausible else Counts()
