"""What one editor does to a completion server, as lists of steps.

cold          a place never seen before, asked once
keystroke     one document, one character more each time, in every order that can be asked for
newline       one document, a line more each time
jump          one document, the cursor now here, now there
accept        one document, the first line of each answer is taken and the next one asked below
after-cancel  one document, each request follows one that was left at its first text
repeat        one place, asked again unchanged

Knows no clock; who runs them decides which steps are timed.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from fimeval.bench.question import CursorText, Question
from fimeval.bench.text_supply import PromptSize, TextSupply
from fimserve.prompt import Order

LINE_TOKENS = 12
"""Of a line of code, newline included, about."""


class ScenarioKind(StrEnum):
    """Name of a scenario."""

    COLD = "cold"
    KEYSTROKE = "keystroke"
    NEWLINE = "newline"
    JUMP = "jump"
    ACCEPT = "accept"
    AFTER_CANCEL = "after-cancel"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Questions to ask one after the other."""

    kind: ScenarioKind
    size: PromptSize
    order: Order | None
    questions: tuple[Question, ...]
    left: tuple[Question, ...] = ()
    """Asked before each question and left at the first text; none or as many as questions."""
    accepts: bool = False
    """Whether each question's prefix is the one before with a line of its answer behind it."""

    @property
    def label(self) -> str:
        """Name of the row in the table."""
        return self.kind if self.order is None else f"{self.kind} {self.order}"

    @property
    def num_requests(self) -> int:
        """How many requests it sends."""
        return len(self.questions) + len(self.left)


@dataclass(frozen=True, slots=True)
class ScenarioPlan:
    """What is planned of every scenario."""

    kinds: tuple[ScenarioKind, ...]
    num_questions: int
    max_tokens: int
    session: str
    """Beginning of the names of sessions, unlike that of any other run."""


def plan_scenarios(
    plan: ScenarioPlan, sizes: Sequence[PromptSize], orders: Sequence[Order], supply: TextSupply
) -> tuple[Scenario, ...]:
    """Return what is measured, in the order of measuring.

    Args:
        plan: What to plan.
        sizes: Lengths of prompts.
        orders: Orders in which keystrokes are asked besides the server's own choice.
        supply: Gives the places.

    Returns:
        The scenarios, all of one size together. Cold questions have no session, so that a server
        keeps nothing of them.
    """
    return tuple(
        scenario
        for size in sizes
        for kind in plan.kinds
        for scenario in _plan_kind(kind, plan, size, orders, supply)
    )


def hash_prompts(scenarios: Sequence[Scenario]) -> str:
    """Return the SHA-256 over all texts that are known before the run."""
    cursors = [asdict(question.cursor) for s in scenarios for question in s.questions]
    return hashlib.sha256(json.dumps(cursors).encode()).hexdigest()


def _plan_kind(
    kind: ScenarioKind,
    plan: ScenarioPlan,
    size: PromptSize,
    orders: Sequence[Order],
    supply: TextSupply,
) -> list[Scenario]:
    n = plan.num_questions

    def make(
        cursors: Sequence[CursorText],
        order: Order | None = None,
        left: Sequence[CursorText] = (),
        accepts: bool = False,
    ) -> Scenario:
        session = f"{plan.session}-{size.tokens}-{kind}-{order or 'default'}"
        own = None if kind is ScenarioKind.COLD else session
        asked, abandoned = (
            tuple(Question(cursor, plan.max_tokens, order, own) for cursor in part)
            for part in (cursors, left)
        )
        return Scenario(kind, size, order, asked, abandoned, accepts)

    match kind:
        case ScenarioKind.COLD:
            return [make([supply.take(size).typed(0) for _ in range(n)])]
        case ScenarioKind.KEYSTROKE:
            # A place of its own for each order: another order's cache must not help.
            scenarios = []
            for order in (None, *orders):
                place = supply.take(size, num_chars=n)
                scenarios.append(make([place.typed(index) for index in range(n)], order))
            return scenarios
        case ScenarioKind.NEWLINE:
            place = supply.take(size, num_lines=n)
            return [make([place.typed_lines(index) for index in range(n)])]
        case ScenarioKind.JUMP:
            return [make(_plan_jumps(supply.take(size).document, n))]
        case ScenarioKind.ACCEPT:
            # Room for what is accepted, which is not known yet.
            smaller = PromptSize(max(size.tokens - n * LINE_TOKENS, 64), size.suffix_share)
            return [make([supply.take(smaller).typed(0)] * n, accepts=True)]
        case ScenarioKind.AFTER_CANCEL:
            place = supply.take(size, num_chars=2 * n)
            cursors = [place.typed(index) for index in range(2 * n)]
            return [make(cursors[1::2], left=cursors[::2])]
        case ScenarioKind.REPEAT:
            return [make([supply.take(size).typed(0)] * n)]


def _plan_jumps(document: str, num_places: int) -> list[CursorText]:
    """Return places of one document, each at the beginning of a line, the same on every call."""
    starts = [index + 1 for index, char in enumerate(document[:-1]) if char == "\n"] or [0]
    chooser = random.Random(0)
    cursors = [chooser.choice(starts) for _ in range(num_places)]
    return [CursorText(document[:cursor], document[cursor:]) for cursor in cursors]
