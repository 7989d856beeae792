"""A question to a completion server: the text around a cursor, and how to ask for the middle.

Plain values; knows no dialect and no clock.
"""

from dataclasses import dataclass

from fimserve.prompt import Order

DEFAULT_MAX_TOKENS = 32


@dataclass(frozen=True, slots=True)
class CursorText:
    """The text on both sides of a cursor."""

    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Question:
    """One place to complete, and how to ask for it."""

    cursor: CursorText
    max_tokens: int = DEFAULT_MAX_TOKENS
    """Most new tokens; exactly so many where the server can be told."""
    order: Order | None = None
    """None leaves the order of the prompt to the server."""
    session: str | None = None
    """One open document; None lets the server keep only what it keeps of everybody."""
