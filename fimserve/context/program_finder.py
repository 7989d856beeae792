"""Definitions found by a program that knows a language: started when first asked, ended when slow.

One program per repository and language. What it cannot do is counted by reason, and names have to
do; a project that it hangs on again and again is not tried any more.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from fimserve.context.line_process import LineProcess, ProcessGone, ProcessTooSlow
from fimserve.context.node_packages import NodeMissing
from fimserve.context.span import Location, Span

__all__ = ["Program", "ProgramFinder", "names_in"]

OPEN_TIMEOUT_S = 60.0
MAX_FAILURES = 3
"""Times in a row that a program may fail before its project is given up."""
MAX_NAMES = 40
_NAME = re.compile(r"[^\W\d]\w*")


class NamePlace(NamedTuple):
    """A name in the middle of a span, by its place in the whole file."""

    name: str
    offset: int


class Program(Protocol):
    """How one program is started and asked."""

    name: str

    def start(self) -> LineProcess:
        """Return the program, running; NodeMissing or ProcessGone where that fails."""
        ...

    def opening(self) -> Mapping[str, object]:
        """Return the question that opens the project."""
        ...

    def question(self, span: Span, names: list[NamePlace], timeout_s: float) -> dict[str, object]:
        """Return the question for the names of a span."""
        ...


class ProgramFinder:
    """Asks one program.

    Args:
        program: How it is started and asked.
        timeout_s: How long it may take for one span.
        left_out: Counts what it could not do.
        open_timeout_s: How long it may take to open the project.
    """

    def __init__(
        self,
        program: Program,
        timeout_s: float,
        left_out: Counter[str],
        open_timeout_s: float = OPEN_TIMEOUT_S,
    ) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._open_timeout_s = open_timeout_s
        self._left_out = left_out
        self._running: LineProcess | None = None
        self._num_failures = 0

    def close(self) -> None:
        """End the program if it runs."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def find(self, span: Span) -> list[Location] | None:
        """Return where the names in the middle are defined; None where names have to do.

        Args:
            span: The place; its middle is known.

        Returns:
            Places in other files, in the order of the names.
        """
        if self._num_failures >= MAX_FAILURES:
            self._count("given up")
            return None
        names = list(names_in(span))
        if not names:
            return []
        return self._attempt(lambda: self._ask(span, names))

    def _attempt(self, ask: Callable[[], dict[str, Any]]) -> list[Location] | None:
        try:
            answer = ask()
        except ProcessTooSlow:
            reason = "too slow"
        except ProcessGone:
            reason = "ended"
        except NodeMissing as error:
            self._num_failures = MAX_FAILURES  # it will not come while we wait
            reason = str(error)
        else:
            if "refused" not in answer:
                self._num_failures = 0
                self._note_problem(answer)
                return list(_read_locations(answer))
            self._count(str(answer["refused"]))
            return None
        self._running = None
        self._num_failures += 1
        self._count(reason)
        return None

    def _ask(self, span: Span, names: list[NamePlace]) -> dict[str, Any]:
        if self._running is None:
            self._running = self._program.start()
            opened = self._running.ask(self._program.opening(), self._open_timeout_s)
            if "refused" in opened:
                self._running.close()
                raise ProcessGone(str(opened["refused"]))
            self._note_problem(opened)
        question = self._program.question(span, names, self._timeout_s)
        return self._running.ask(question, self._timeout_s)

    def _note_problem(self, answer: Mapping[str, Any]) -> None:
        if (problem := answer.get("problem")) is not None:
            self._count(str(problem))

    def _count(self, reason: str) -> None:
        self._left_out[f"{self._program.name}: {reason}"] += 1


def names_in(span: Span) -> Iterator[NamePlace]:
    """Return the names in the middle of a span, each once, with their places in the file.

    Args:
        span: The place; its middle is known.

    Yields:
        NamePlace: A name and where it stands first.
    """
    seen: set[str] = set()
    # A name that the hole cuts is asked for where its end stands.
    for found in _NAME.finditer(span.middle or ""):
        if found[0] not in seen and len(seen) < MAX_NAMES:
            seen.add(found[0])
            yield NamePlace(found[0], len(span.prefix) + found.start())


def _read_locations(answer: Mapping[str, Any]) -> Iterator[Location]:
    try:
        for found in answer["found"]:
            yield Location(str(found["path"]), str(found["name"]), int(found["line"]))
    except (LookupError, TypeError, ValueError):
        return
