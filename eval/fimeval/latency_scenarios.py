"""The three things that an editor does to a completion server, as lists of questions.

cold       a place never seen before, asked once
keystroke  one document, one character more each time, in every order the server can be asked for
repeat     one place, asked again unchanged

Knows no clock; who asks decides which questions are timed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from fimeval.editing_trace import CursorText, PromptShape, cut_distinct, cut_typing
from fimeval.streaming_client import Question
from fimserve.prompt import Order


@dataclass(frozen=True, slots=True)
class Places:
    """Where the questions of a run are asked, as many for each scenario."""

    cold: tuple[CursorText, ...]
    typing: tuple[CursorText, ...]
    repeated: CursorText

    def sha256(self) -> str:
        """Return the hash over all texts."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Questions to ask one after the other."""

    name: str
    order: Order | None
    questions: tuple[Question, ...]


def cut_places(text: str, shape: PromptShape, num_questions: int) -> Places:
    """Return the places of a run.

    Args:
        text: Source code.
        shape: Length of each prompt.
        num_questions: Questions of each scenario.

    Returns:
        The places. No two share text, the states of the one that is typed at apart.
    """
    typing_chars = shape.num_chars + num_questions - 1
    *cold, repeated = cut_distinct(text[:-typing_chars], shape, num_questions + 1)
    typing = cut_typing(text[-typing_chars:], shape, num_questions)
    return Places(tuple(cold), typing, repeated)


def plan_scenarios(places: Places, orders: tuple[Order, ...], session: str) -> tuple[Scenario, ...]:
    """Return what is measured, in the order of measuring.

    Args:
        places: Where to ask.
        orders: Orders that the server can be asked for; none means that it is another server,
            which knows neither orders nor sessions.
        session: Beginning of the names of sessions, unlike that of any other run.

    Returns:
        The scenarios. Cold questions have no session, so that the server keeps nothing of them.
    """
    count = len(places.cold)

    def ask(name: str, order: Order | None, cursors: tuple[CursorText, ...]) -> Scenario:
        own = f"{session}-{name}-{order or 'default'}" if orders and name != "cold" else None
        # An answer that ends with its line is too short to tell the time per token.
        multiline = True if orders else None
        questions = tuple(Question(cursor, order, own, multiline) for cursor in cursors)
        return Scenario(name, order, questions)

    return (
        ask("cold", None, places.cold),
        *(ask("keystroke", order, places.typing) for order in orders or (None,)),
        ask("repeat", None, (places.repeated,) * count),
    )
