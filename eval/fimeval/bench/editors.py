"""Simulated editors: who asks what, and when, all of it decided by a seed before the first request.

Each editor has one document open and types in it: mostly one character at a time, now and then the
rest of a line, sometimes the cursor jumps, sometimes another file is opened (a cold prompt). Pauses
between two requests of one editor are exponential, so the requests of many arrive as a Poisson
process. Knows no server and no clock.
"""

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fimeval.bench.question import DEFAULT_MAX_TOKENS, CursorText, Question
from fimeval.bench.source_text import SourceFile
from fimeval.bench.text_supply import HOLE_CHARS, PromptSize
from fimeval.bench.token_ruler import TokenRuler
from fimeval.errors import EvalError


class Move(StrEnum):
    """What an editor did before it asked."""

    COLD = "cold"
    """Opened another file: a new session, nothing of it cached."""
    KEY = "key"
    """Typed one character."""
    LINE = "line"
    """Typed the rest of the line."""
    JUMP = "jump"
    """Put the cursor elsewhere in the same file."""


@dataclass(frozen=True, slots=True)
class TypingHabits:
    """How the simulated people work."""

    requests_per_s: float = 0.5
    """Requests per second of one editor, on average."""
    cold_share: float = 0.10
    line_share: float = 0.08
    jump_share: float = 0.02
    """What is left of one are single keys."""
    size: PromptSize = field(default_factory=lambda: PromptSize(1024, 0.25))
    max_tokens: int = DEFAULT_MAX_TOKENS
    seed: int = 0

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Shares of cold, key, line, jump."""
        keys = 1.0 - self.cold_share - self.line_share - self.jump_share
        return (self.cold_share, keys, self.line_share, self.jump_share)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request that will be sent."""

    at_ms: float
    """Since the beginning of the load."""
    editor: int
    move: Move
    question: Question


class Documents:
    """Places in source files, longest first cut to what a prompt can hold.

    Args:
        files: Where to cut from.
        ruler: Measures the cuts.

    Raises:
        EvalError: If no file is long enough to type in.
    """

    def __init__(self, files: Sequence[SourceFile], ruler: TokenRuler) -> None:
        self._texts = [file.text for file in files if len(file.text) >= MIN_DOCUMENT_CHARS]
        self._ruler = ruler
        if not self._texts:
            raise EvalError(
                f"no source file has {MIN_DOCUMENT_CHARS} characters; give others by --corpus"
            )

    def open(self, chooser: random.Random, size: PromptSize) -> "Document":
        """Return a place in some file.

        Args:
            chooser: Chooses file and place.
            size: How much of the file a prompt holds.

        Returns:
            The open file.
        """
        text = chooser.choice(self._texts)
        cursor = text.rfind("\n", 0, chooser.randrange(len(text) // 4, len(text) * 3 // 4) + 1) + 1
        prefix = self._ruler.tail(text[:cursor], size.prefix_tokens)
        after = self._ruler.head(text[cursor + HOLE_CHARS :], size.suffix_tokens)
        start = cursor - len(prefix)
        return Document(text, start, cursor, cursor + HOLE_CHARS, after)


MIN_DOCUMENT_CHARS = 1500


@dataclass(slots=True)
class Document:
    """One open file and its cursor. The prompt's beginning and end stay where they are."""

    text: str
    start: int
    cursor: int
    hole_end: int
    after: str

    def type_key(self) -> None:
        """Type the next character of the file."""
        self._move_to(self.cursor + 1)

    def type_line(self) -> None:
        """Type the rest of the line and its newline."""
        found = self.text.find("\n", self.cursor, self.hole_end)
        self._move_to(self.hole_end if found < 0 else found + 1)

    def jump(self, chooser: random.Random) -> None:
        """Put the cursor at the beginning of another line before the hole."""
        target = chooser.randrange(self.start, self.cursor + 1)
        line = self.text.rfind("\n", self.start, target) + 1
        self._move_to(max(line, self.start))

    @property
    def is_typed_out(self) -> bool:
        """Whether all that was missing has been typed."""
        return self.cursor >= self.hole_end

    @property
    def view(self) -> CursorText:
        """What an editor would send now."""
        return CursorText(self.text[self.start : self.cursor], self.after)

    def _move_to(self, cursor: int) -> None:
        self.cursor = min(cursor, self.hole_end, len(self.text))


def plan_arrivals(
    habits: TypingHabits, num_editors: int, seconds: float, documents: Documents, run: str
) -> Iterator[Arrival]:
    """Yield every request of a load in the order of time.

    Args:
        habits: How the people work.
        num_editors: How many there are.
        seconds: How long they work.
        documents: What they work at.
        run: Beginning of the names of sessions.

    Yields:
        Arrival: The same for equal arguments; other names of sessions change no time or text.
    """
    choosers = [random.Random(f"{habits.seed}-{editor}") for editor in range(num_editors)]
    pause = habits.requests_per_s / 1e3  # per millisecond
    queue = [(chooser.expovariate(pause), editor) for editor, chooser in enumerate(choosers)]
    heapq.heapify(queue)
    open_now: dict[int, Document] = {}
    num_opened = [0] * num_editors
    while queue and queue[0][0] < seconds * 1e3:
        at_ms, editor = heapq.heappop(queue)
        chooser = choosers[editor]
        move = _choose_move(chooser, habits, open_now.get(editor))
        if move is Move.COLD:
            open_now[editor] = documents.open(chooser, habits.size)
            num_opened[editor] += 1
        document = open_now[editor]
        _make_move(document, move, chooser)
        session = f"{run}-{editor}-{num_opened[editor]}"
        yield Arrival(
            at_ms, editor, move, Question(document.view, habits.max_tokens, session=session)
        )
        heapq.heappush(queue, (at_ms + chooser.expovariate(pause), editor))


def _choose_move(chooser: random.Random, habits: TypingHabits, document: Document | None) -> Move:
    moves = (Move.COLD, Move.KEY, Move.LINE, Move.JUMP)
    (move,) = chooser.choices(moves, habits.shares)
    return Move.COLD if document is None or document.is_typed_out else move


def _make_move(document: Document, move: Move, chooser: random.Random) -> None:
    match move:
        case Move.KEY:
            document.type_key()
        case Move.LINE:
            document.type_line()
        case Move.JUMP:
            document.jump(chooser)
        case Move.COLD:
            pass
