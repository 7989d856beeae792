"""Tabby's `view`, `select` and `dismiss` as events of ours.

Completion ids carry two lengths behind the uuid, which the agent sends back with each event: so a
suggestion's size is known without anything being remembered between requests. They are a client's
word like every other field of an event.
"""

import hashlib
import re
import time
from typing import Literal
from uuid import uuid4

from fimserve.server.errors import BadRequest
from fimserve.server.parse import Fields, WholeNumber
from fimserve.telemetry import Event, EventError, EventType

__all__ = ["EventFields", "make_completion_id", "to_event"]

TYPES: dict[str, EventType] = {"view": "shown", "select": "accepted", "dismiss": "dismissed"}

SIZED_ID = re.compile(r"cmpl-[0-9a-f-]{36}\.(\d{1,6})\.(\d{1,6})")

MAX_SHOWN_MS = 86_400_000
"""A day: no suggestion is looked at longer, whatever the agent's clock says."""


class EventFields(Fields):
    """Body of Tabby's `POST /v1/events`."""

    type: Literal["view", "select", "dismiss"]
    completion_id: str
    choice_index: WholeNumber = 0
    view_id: str | None = None
    """One showing of the suggestion."""
    elapsed: WholeNumber | None = None
    """Milliseconds since it was shown."""
    select_kind: str | None = None
    """`line` where only the first line was taken."""


def make_completion_id(text: str) -> str:
    """Return a new id that tells the lengths of a suggestion and of its first line."""
    text = text.replace("\r\n", "\n")
    return f"cmpl-{uuid4()}.{_num_units(text)}.{_num_units(_first_line(text))}"


def to_event(fields: EventFields) -> Event:
    """Return the event that these fields say.

    Args:
        fields: The agent's fields.

    Returns:
        The event; the agent's own clock is not told, so it carries the time of arrival.

    Raises:
        BadRequest: If an id or a number is none that an event can have.
    """
    is_part = fields.type == "select" and fields.select_kind == "line"
    num_chars, num_line_chars = _read_sizes(fields.completion_id)
    shown_ms = None if fields.elapsed is None else min(max(0, fields.elapsed), MAX_SHOWN_MS)
    accepted = None
    if fields.type == "select":
        # A foreign id tells no length: that something was taken counts all the same.
        accepted = (num_line_chars or 0) if is_part else num_chars
    try:
        return Event(
            id=_event_id(fields),
            type="partially_accepted" if is_part else TYPES[fields.type],
            at_ms=int(time.time() * 1000),
            completion_id=fields.completion_id,
            view_id=fields.view_id,
            choice_index=fields.choice_index,
            client="tabby",
            completion_chars=num_chars,
            accepted_chars=accepted,
            shown_ms=None if shown_ms is None else float(shown_ms),
        )
    except EventError as error:
        raise BadRequest(f"{error.field} {error.problem}.", param=error.field) from None


def _event_id(fields: EventFields) -> str:
    """Return one id for one happening: an event that the agent repeats counts once."""
    said = (fields.type, fields.completion_id, fields.choice_index, fields.view_id)
    named = "\n".join(map(str, (*said, fields.select_kind)))
    return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:48]


def _read_sizes(completion_id: str) -> tuple[int | None, int | None]:
    match = SIZED_ID.fullmatch(completion_id)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _first_line(text: str) -> str:
    """Return what accepting a line takes: the first one that is not empty, and what is before."""
    start = len(text) - len(text.lstrip("\n"))
    end = text.find("\n", start)
    return text if end < 0 else text[:end]


def _num_units(text: str) -> int:
    """Return the length as events count it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
